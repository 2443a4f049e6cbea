//! What must hold for any config file, for fuzzers and the test that replays what they found.

use super::load::check;
use super::sections::Document;
use super::text::{Text, read_text};

/// Reads `data` as a config file: settings or a list of what is wrong, each with a place and a reason.
pub fn fuzz_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(Text { value, .. }) = read_text(text, false) else { return };
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    // Sections in files of their own are left out: a fuzzer would make it read whatever the system has.
    let document = Document::without_files(value, &mut problems, &mut warnings);
    let whole = problems.is_empty();
    match check(document, whole, problems, warnings) {
        Ok(config) => assert!(config.engine.workers > 0),
        Err(errors) => {
            assert!(!errors.0.is_empty());
            assert!(errors.0.iter().all(|problem| !problem.text.is_empty()));
        }
    }
}
