//! The words for HTTP statuses that bodies and conditions use.

use http::StatusCode;

/// As Go's `http.StatusText` has it; empty for a status without a name. Some names are older than those of RFC 9110.
pub fn status_text(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NON_AUTHORITATIVE_INFORMATION => "Non-Authoritative Information",
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::URI_TOO_LONG => "Request URI Too Long",
        StatusCode::RANGE_NOT_SATISFIABLE => "Requested Range Not Satisfiable",
        _ => status.canonical_reason().unwrap_or_default(),
    }
}

/// What `when.error` calls a status: `not_found`, `im_a_teapot`.
pub fn status_name(status: StatusCode) -> String {
    status_text(status)
        .chars()
        .filter(|&c| c != '\'')
        .map(|c| {
            if c == ' ' {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}
