//! Settings that are templates: compiled when the rule is loaded, rendered for each request.

use crate::canonical::names::is_sendable_value;
use crate::handlers::{BuildContext, BuildError};
use crate::pipeline::{Denial, Reason, Session};
use crate::template::Template;
use http::HeaderValue;

/// Compiles the setting at `place`, which the message begins with. What is suspicious in it is logged.
pub(in crate::handlers) fn compile(
    place: &str,
    source: &str,
    context: &BuildContext<'_>,
) -> Result<Template, BuildError> {
    let template = Template::compile(source, *context.templates)
        .map_err(|error| BuildError::new(format!("{place}: {error}")))?;
    for warning in template.warnings() {
        tracing::warn!(setting = place, %warning, "a template is likely not what is meant");
    }
    Ok(template)
}

/// The text for a session.
pub(in crate::handlers) fn render(
    place: &str,
    template: &Template,
    session: &mut Session<'_>,
) -> Result<Vec<u8>, Denial> {
    match template.render(session) {
        Ok(text) => Ok(text.into_owned()),
        Err(error) => {
            tracing::debug!(setting = place, %error, "a template failed");
            Err(Denial::new(Reason::Failed).saying(format!("{place}: {error}")))
        }
    }
}

/// A header's value: a template, or what it always comes to.
#[derive(Debug, Clone)]
pub(in crate::handlers) enum Value {
    Fixed(HeaderValue),
    Made(Box<str>, Template),
}

impl Value {
    /// `Err` where the text is no template, or no header's value whatever the request.
    pub(in crate::handlers) fn build(
        place: &str,
        source: &str,
        context: &BuildContext<'_>,
    ) -> Result<Value, BuildError> {
        let template = compile(place, source, context)?;
        match template.constant() {
            None => Ok(Value::Made(place.into(), template)),
            Some(text) => header_value(text).map(Value::Fixed).ok_or_else(|| {
                BuildError::new(format!("{place}: the text can't be sent as a header"))
            }),
        }
    }

    /// The value for a session. A text with a line break or another control character is refused: it could end the header.
    pub(in crate::handlers) fn get(
        &self,
        session: &mut Session<'_>,
    ) -> Result<HeaderValue, Denial> {
        match self {
            Value::Fixed(value) => Ok(value.clone()),
            Value::Made(place, template) => {
                let text = render(place, template, session)?;
                header_value(&text).ok_or_else(|| unsendable(place))
            }
        }
    }
}

fn unsendable(place: &str) -> Denial {
    Denial::new(Reason::Failed).saying(format!(
        "{place}: the text has a control character and can't be sent as a header"
    ))
}

/// The text without spaces around it, which Go does not send either.
pub(in crate::handlers) fn header_value(text: &[u8]) -> Option<HeaderValue> {
    if !is_sendable_value(text) {
        return None;
    }
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    HeaderValue::from_bytes(text).ok()
}
