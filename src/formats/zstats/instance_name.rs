//! Names of instances: what a sender may call a target, so that it names a place inside a directory.

/// Whether the name is one: parts between slashes that are neither empty nor `.` or `..`, not too long for a
/// directory, without control characters.
pub fn check_instance(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && !name.contains(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= PART_BYTES_MAX)
}

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 1024;
/// Bytes of a directory's name in all common file systems.
const PART_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for good in ["10.20.0.11:9100.node", "[::1]:9100.node", "a..b", "...", "a/b.monitoring/x", "é"] {
            assert!(check_instance(good), "{good}");
        }
        for bad in ["", ".", "..", "/", "/etc", "a/../../b", "a//b", "a/", "../x.job", "a\0b", "a\nb"] {
            assert!(!check_instance(bad), "{bad:?}");
        }
        assert!(!check_instance(&"a".repeat(256)));
        assert!(!check_instance(&"a/".repeat(600)));
    }
}
