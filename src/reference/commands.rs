//! Every command, as its help describes it.

use crate::cli;
use clap::Command;

const INTRODUCTION: &str = "# Commands

Answers go to standard output, complaints and the log to standard error.

| exit code | means |
| --- | --- |
| 0 | done; nothing found |
| 1 | problems found (`validate`, `lint`, `diff`, `test`), no single rule (`explain`), the server is not well (`health`), or it could not start |
| 2 | nothing can be said, since a file can't be read or used, or nothing could be written (`test`, `migrate`) |
| 255 | wrong use, or a configuration that can't be used |
";

pub(super) fn page() -> String {
    let mut root = cli::command().term_width(100);
    root.build();
    let mut page = INTRODUCTION.to_owned();
    section(&mut root, &mut page);
    page
}

/// A command and those below it; what is hidden has no place here either.
fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("doorward").to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    *page += &format!(
        "\n## `{name}`\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    );
    for inner in command.get_subcommands_mut() {
        if !inner.is_hide_set() && inner.get_name() != "help" {
            section(inner, page);
        }
    }
}
