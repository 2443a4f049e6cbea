//! Rules through time: with a clock that tests move, over series that tests write.

mod alerts;
mod groups;
mod managers;
mod recordings;
mod world;
