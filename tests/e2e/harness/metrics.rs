//! What `/metrics` says, as numbers.

/// All samples of one scrape.
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    pub fn parse(text: &str) -> Metrics {
        let mut samples = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no metric: {line:?}"));
            samples.push((name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}"))));
        }
        assert!(!samples.is_empty(), "no metrics at all");
        Metrics(samples)
    }

    /// The sum over all series of a name whose labels contain `label` (empty: all of them). 0 when there is none.
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        self.0
            .iter()
            .filter(|(series, _)| {
                let (found, labels) = series.split_once('{').unwrap_or((series, ""));
                found == name && labels.contains(label)
            })
            .map(|(_, value)| value)
            .sum()
    }
}
