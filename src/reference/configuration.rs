//! Every key of the configuration.

use crate::config::schema;

pub(super) fn page() -> String {
    let page = schema::reference();
    let (title, rest) = page.split_once("\n\n").unwrap();
    format!(
        "{title}

Several files given with `-c` are merged in order: of two values for one key the later counts, lists are replaced as a whole. {rest}
`doorward schema` prints the same as a JSON schema, for editors: with `doorward schema > doorward.schema.json` beside the configuration, a first
line `# yaml-language-server: $schema=doorward.schema.json` makes many of them use it. What handlers can be told is also
[listed by handler](handlers.md).
"
    )
}
