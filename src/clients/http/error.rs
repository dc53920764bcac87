//! Why a call has no answer, without a word that could hold a credential.

use std::error::Error as _;

/// Why there is no answer. No text of another server and no URL beyond scheme, host and port: neither may reach a client or a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("no answer from {to} in time")]
    Timeout { to: String },
    #[error("cannot connect to {to}")]
    Connect { to: String },
    /// The server's certificate is not trusted; never tried again.
    #[error("cannot trust the certificate of {to}")]
    Certificate { to: String },
    #[error("{to} hung up or does not speak HTTP")]
    Garbled { to: String },
    #[error("the answer of {to} broke off")]
    Truncated { to: String },
    #[error("the answer of {to} is too large")]
    TooLarge { to: String },
    /// Too many calls failed; the server is left alone for a moment.
    #[error("{to} has not answered lately")]
    Broken { to: String },
    #[error("the call to {to} cannot be made")]
    Unusable { to: String },
}

impl CallError {
    /// A stable word for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            CallError::Timeout { .. } => "timeout",
            CallError::Connect { .. } => "connect",
            CallError::Certificate { .. } => "certificate",
            CallError::Garbled { .. } => "garbled",
            CallError::Truncated { .. } => "truncated",
            CallError::TooLarge { .. } => "too_large",
            CallError::Broken { .. } => "broken",
            CallError::Unusable { .. } => "unusable",
        }
    }

    /// Whether another try could go better.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            CallError::Timeout { .. }
            | CallError::Connect { .. }
            | CallError::Garbled { .. }
            | CallError::Truncated { .. } => true,
            CallError::Certificate { .. }
            | CallError::TooLarge { .. }
            | CallError::Broken { .. }
            | CallError::Unusable { .. } => false,
        }
    }

    /// Whether it says that the server as such is not there.
    pub(super) fn blames_server(&self) -> bool {
        match self {
            CallError::Timeout { .. } | CallError::Connect { .. } => true,
            CallError::Garbled { .. }
            | CallError::Truncated { .. }
            | CallError::Certificate { .. }
            | CallError::TooLarge { .. }
            | CallError::Broken { .. }
            | CallError::Unusable { .. } => false,
        }
    }
}

/// Sorts an error of the library into ours, without its text.
pub(super) fn classify(error: &hyper_util::client::legacy::Error, to: &str) -> CallError {
    let to = to.to_owned();
    if is_certificate_error(error) {
        return CallError::Certificate { to };
    }
    if error.is_connect() {
        return CallError::Connect { to };
    }
    CallError::Garbled { to }
}

fn is_certificate_error(error: &hyper_util::client::legacy::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(rustls::Error::InvalidCertificate(_)) = inner.downcast_ref() {
            return true;
        }
        // An `io::Error` shows the error that it wraps only through `get_ref`.
        let wrapped = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|wrapped| wrapped.downcast_ref());
        if let Some(rustls::Error::InvalidCertificate(_)) = wrapped {
            return true;
        }
        source = inner.source();
    }
    false
}
