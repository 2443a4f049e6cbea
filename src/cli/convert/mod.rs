//! `treering convert`
pub(super) fn main(_: &super::command::ConvertArguments) -> std::process::ExitCode { std::process::ExitCode::FAILURE }
