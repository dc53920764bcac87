//! Every function of templates.

use super::{code, table};
use crate::template::{Effect, functions};

pub(super) fn page() -> String {
    let rows = functions().into_iter().map(|function| {
        let also: Vec<String> = function.aliases.iter().map(code).collect();
        let effect = match function.effect {
            Effect::Pure => "",
            Effect::Mutates => "changes its first argument",
            Effect::Unsafe => "only with `templates.unsafe_functions`",
        };
        vec![
            code(function.name),
            function.parameters.join(", "),
            also.join(", "),
            effect.to_owned(),
        ]
    });
    format!(
        "# Templates

Templates are Go's `text/template` with the functions of Sprig, and the reference's two: `print`, which prints a missing value as nothing,
and `printIndex`. A template sees `.Subject`, `.Extra` (what the authenticator learnt), `.Header` (headers that mutators set so far) and
`.MatchContext` with `.RegexpCaptureGroups`, `.URL`, `.Method` and `.Header`.

    X-User: '{{{{ print .Subject }}}}'
    X-Groups: '{{{{ .Extra.groups | join \",\" }}}}'
    X-Tenant: '{{{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}}}'

What a template yields for a header may have no line breaks; a request for which it has is refused. A template may run for so many steps
and make so much text, and no more. Functions that read the environment, ask the network or make keys work only with
`templates.unsafe_functions: true`.

{}",
        table(&["function", "parameters", "also called", "effect"], rows)
    )
}
