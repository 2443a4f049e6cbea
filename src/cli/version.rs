//! The version as cc-metric-store prints it: three lines.

/// The git hash and the build time come from variables that the build sets; without them they are unknown.
pub(super) fn text() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let hash = option_env!("TREERING_GIT_HASH").unwrap_or("unknown");
    let time = option_env!("TREERING_BUILD_TIME").unwrap_or("unknown");
    format!("Version:\t{version}\nGit hash:\t{hash}\nBuild time:\t{time}\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_are_three_lines_with_tabs() {
        let text = super::text();
        let names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(":\t")?.0)).collect();
        assert_eq!(names, ["Version", "Git hash", "Build time"]);
    }
}
