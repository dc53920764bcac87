//! `access_rules`.

use super::{Format, Schema, duration, list, object, one_of, text_as};

pub(super) fn section() -> Schema {
    object([
        ("repositories", list(text_as(Format::Repository)).about(
            "Where rules come from: `file://` (a file or, with a slash at the end, a folder), `glob://` (`*` and `?` in the last part), `inline://` (base64), `http://`, `https://`, `s3://`, `gs://`, `azblob://`.",
        )),
        ("matching_strategy", one_of(["glob", "regexp"]).or("regexp").about("How the `<…>` parts of a rule's URL are read.")),
        ("trailing_slash", one_of(["keep", "strip"]).or("keep").about("What is forwarded. Patterns never see a trailing slash.")),
        ("encoded_slashes", one_of(["keep", "reject"]).or("keep").about("`%2F` in a path: forwarded as it was, or refused with 400.")),
        ("underscore_headers", one_of(["drop_aliases", "drop", "keep"]).or("drop_aliases").about(
            "`X_User` goes where a mutator sets `X-User`, or all such names, or none.",
        )),
        ("duplicate_ids", strictness().about("Two rules with one id: a warning, or the new set is refused.")),
        ("unknown_keys", strictness().about("Keys of a rule that mean nothing: a warning, or the document is refused.")),
        ("on_invalid_rule", one_of(["set_aside", "reject"]).or("set_aside").about(
            "A rule that can't be built is set aside, or the last good set of rules stays.",
        )),
        ("on_start_failure", one_of(["retry", "exit"]).or("retry").about(
            "A remote source that fails at start: not ready and tried again, or the end of the process.",
        )),
        ("refresh", duration().or("30s").about("How often remote sources are asked again.")),
    ])
    .about("The rules and how they are read.")
}

fn strictness() -> Schema {
    one_of(["warn", "reject"]).or("warn")
}
