//! `treering demo --zstats`: a page of metrics, scraped again and again and shipped as the zstats collector does.
//!
//! `page` makes a scrape of a page, `shipper` a request of a scrape, `course` repeats it and tells what it cost.

mod course;
mod page;
mod shipper;

pub(super) use course::ship;
