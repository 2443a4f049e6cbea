//! Scripts that complete commands and flags in a shell.

use clap::CommandFactory;

use super::arguments::Arguments;
use super::command::CompletionsArguments;

/// The script for a shell.
pub(super) fn script(arguments: &CompletionsArguments) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "treering", &mut bytes);
    // Names and help texts are UTF-8, and so is every script made of them.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_with_our_flags() {
        for shell in clap_complete::Shell::value_variants() {
            let script = script(&CompletionsArguments { shell: *shell });
            assert!(script.contains("cleanup-checkpoints") && script.contains("inspect"), "{shell}");
        }
    }
}
