//! Properties of the engine that no recorded case shows.

use super::data::Data;
use super::val::{Multi, MultiType};
use super::{Policy, Template};
use crate::gourl::Url;
use crate::value::{Map, Value, decode};
use http::HeaderMap;

struct Fixed {
    extra: Map,
    headers: HeaderMap,
}

impl Data for Fixed {
    fn subject(&self) -> &str {
        "peter"
    }
    fn extra(&self) -> Option<&Map> {
        Some(&self.extra)
    }
    fn header(&self) -> Multi {
        Multi {
            kind: MultiType::Header,
            nil: true,
            entries: Default::default(),
        }
    }
    fn groups(&self) -> Option<&[String]> {
        Some(&[])
    }
    fn url(&self) -> Option<Url> {
        Url::parse("http://h/p?x=1").ok()
    }
    fn method(&self) -> &str {
        "GET"
    }
    fn request_header(&self) -> Option<&HeaderMap> {
        Some(&self.headers)
    }
}

fn data(extra: &str) -> Fixed {
    let Value::Map(extra) = decode(extra.as_bytes()).unwrap() else {
        panic!("not an object")
    };
    Fixed {
        extra,
        headers: HeaderMap::new(),
    }
}

fn render(source: &str) -> Result<String, String> {
    render_with(source, r#"{"n":1,"list":[null],"deep":{"a":{"b":1}}}"#).map(|(text, _)| text)
}

fn render_with(source: &str, extra: &str) -> Result<(String, Option<Map>), String> {
    let template = Template::compile(source, Policy::Safe).map_err(|error| error.to_string())?;
    let data = data(extra);
    let rendered = template.run(&data).map_err(|error| error.to_string())?;
    let text = String::from_utf8(rendered.text.into_owned()).unwrap();
    Ok((text, rendered.extra))
}

#[test]
fn functions_that_reach_the_outside_do_not_exist_by_default() {
    for name in [
        "env",
        "expandenv",
        "getHostByName",
        "bcrypt",
        "htpasswd",
        "derivePassword",
        "encryptAES",
        "decryptAES",
        "genPrivateKey",
        "genCA",
        "genSelfSignedCert",
        "genSignedCert",
    ] {
        let error = render(&format!("{{{{ {name} \"x\" }}}}")).unwrap_err();
        assert!(error.contains("not defined"), "{error}");
    }
}

#[test]
fn a_template_cannot_run_or_grow_without_bounds() {
    for source in [
        r#"{{ define "R" }}{{ template "R" . }}{{ end }}{{ template "R" . }}"#,
        r#"{{ define "R" }}{{ with print (print (print .)) }}{{ range $i := 1 }}{{ if true }}{{ template "R" . }}{{ end }}{{ end }}{{ end }}{{ end }}{{ template "R" . }}"#,
        "{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}",
        "{{ range 9999999999 }}{{ end }}",
        r#"{{ repeat 999999999 "x" }}"#,
        r#"{{ repeat 2000000 "x" }}"#,
        "{{ until 999999999 | len }}",
        r#"{{ $s := "x" }}{{ range until 64 }}{{ $s = print (cat $s $s) }}{{ end }}"#,
        r#"{{ $s := "x" }}{{ range until 64 }}{{ $s = replace "x" "xx" $s }}{{ end }}"#,
        r#"{{ printf "%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d%999999d" 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 }}"#,
    ] {
        assert!(render(source).is_err(), "{source}");
    }
}

#[test]
fn a_map_cannot_hold_itself() {
    for source in [
        r#"{{ $d := dict }}{{ $_ := set $d "a" $d }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "a" (list 1 (dict "b" $d)) }}"#,
        r#"{{ $_ := set .Extra "self" .Extra }}"#,
        r#"{{ $d := dict }}{{ $e := dict "d" $d }}{{ $_ := merge $d (dict "x" $e) }}"#,
    ] {
        assert!(render(source).is_err(), "{source}");
    }
}

#[test]
fn values_that_nest_without_end_are_refused_where_they_are_walked() {
    let nest = r#"{{ $d := dict }}{{ range until 20000 }}{{ $d = dict "a" $d }}{{ end }}"#;
    assert_eq!(render(nest), Ok(String::new()));
    for walk in [
        "{{ $d }}",
        "{{ print $d }}",
        r#"{{ printf "%s" $d }}"#,
        "{{ toJson $d }}",
        "{{ deepCopy $d }}",
        r#"{{ $_ := set .Extra "d" $d }}"#,
        "{{ join \",\" (list $d) }}",
    ] {
        assert!(render(&format!("{nest}{walk}")).is_err(), "{walk}");
    }
    let list = r#"{{ $l := list }}{{ range until 20000 }}{{ $l = list $l }}{{ end }}"#;
    assert!(render(&format!("{list}{{{{ $l }}}}")).is_err());
    assert_eq!(
        render(&format!("{nest}{{{{ deepEqual $d $d }}}}")),
        Ok("false".to_owned())
    );
}

#[test]
fn templates_that_nest_too_deeply_are_refused() {
    let nested =
        |open: &str, close: &str| format!("{}x{}", open.repeat(10_000), close.repeat(10_000));
    assert!(render(&nested("{{ if true }}", "{{ end }}")).is_err());
    assert!(render(&format!("{{{{ {} }}}}", nested("(", ")"))).is_err());
    let chain = "{{ else if false }}".repeat(10_000);
    assert!(render(&format!("{{{{ if false }}}}{chain}{{{{ end }}}}")).is_err());
    let chain = "{{ else if false }}".repeat(200);
    assert_eq!(
        render(&format!(
            "{{{{ if false }}}}{chain}{{{{ else }}}}x{{{{ end }}}}"
        )),
        Ok("x".to_owned())
    );
}

#[test]
fn what_nests_deeply_but_not_too_deeply_works() {
    let nested = |open: &str, close: &str| format!("{}x{}", open.repeat(500), close.repeat(500));
    assert_eq!(
        render(&nested("{{ if true }}", "{{ end }}")),
        Ok("x".to_owned())
    );
    let text = nested("(", ")").replace('x', "1");
    assert_eq!(render(&format!("{{{{ {text} }}}}")), Ok("1".to_owned()));
    let source = r#"{{ define "d" }}{{ if lt . 300 }}{{ template "d" (add . 1 | int) }}{{ else }}{{ . }}{{ end }}{{ end }}{{ template "d" 1 }}"#;
    assert_eq!(render(source), Ok("300".to_owned()));
}

#[test]
fn set_reaches_the_session_and_reading_does_not() {
    let (text, extra) = render_with(
        r#"{{ $_ := set .Extra "a" "b" }}{{ $_ := set .Extra.deep "x" 1 }}{{ .Extra.a }}{{ toJson . | len | lt 0 }}"#,
        r#"{"deep":{}}"#,
    )
    .unwrap();
    assert_eq!(text, "btrue");
    assert_eq!(
        extra.unwrap(),
        *data(r#"{"a":"b","deep":{"x":1}}"#).extra().unwrap()
    );
    let (_, extra) = render_with(
        r#"{{ $d := deepCopy .Extra }}{{ $_ := set $d "a" 1 }}"#,
        "{}",
    )
    .unwrap();
    assert_eq!(extra, None);
}

#[test]
fn nil_has_nil_members_behind_a_pipeline_but_not_in_a_chain() {
    assert_eq!(
        render("{{ (.Extra.missing).x }}"),
        Ok("<no value>".to_owned())
    );
    assert_eq!(
        render("{{ $x := .Extra.missing }}{{ $x.y }}"),
        Ok("<no value>".to_owned())
    );
    assert!(render("{{ .Extra.missing.x }}").is_err());
}

#[test]
fn a_variable_of_one_branch_does_not_exist_in_the_other() {
    let source = "{{ $x := 0 }}{{ if false }}{{ $x := 1 }}{{ else }}{{ $x }}{{ end }}";
    assert_eq!(render(source), Ok("0".to_owned()));
}

#[test]
fn an_error_names_its_place() {
    let error = Template::compile("a\nbc{{ nosuch }}", Policy::Safe).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 6: function `nosuch` not defined"
    );
    let error = render("\n{{ .Extra.n.x }}").unwrap_err();
    assert!(error.starts_with("line 2, column 12: "), "{error}");
}

#[test]
fn text_without_actions_is_folded() {
    for (source, constant) in [
        ("plain", true),
        ("a{{ \"b\" }}c{{/* no */}}", true),
        ("{{ .Subject }}", false),
    ] {
        let template = Template::compile(source, Policy::Safe).unwrap();
        assert_eq!(template.constant().is_some(), constant, "{source}");
    }
}

#[test]
fn a_value_inside_a_json_string_is_warned_of() {
    let warned = |source: &str| {
        let template = Template::compile(source, Policy::Safe).unwrap();
        template.warnings().len()
    };
    assert_eq!(warned(r#"{"sub":"{{ print .Subject }}"}"#), 1);
    assert_eq!(
        warned(r#"{"a":"x\"{{ .Subject }}","b":"{{ .Extra.n }}"}"#),
        2
    );
    assert_eq!(warned(r#"{"sub":{{ .Subject | toJson }}}"#), 0);
    assert_eq!(warned(r#"{"sub":"{{ .Subject | b64enc }}"}"#), 0);
    assert_eq!(warned(r#""{{ .Subject }}""#), 0);
}

#[test]
fn regular_expressions_are_re2_s() {
    for (source, text) in [
        (r#"{{ regexMatch "^\\d$" "٣" }}"#, "false"),
        (r#"{{ regexMatch "^[[a]$" "[" }}"#, "true"),
        (r#"{{ regexMatch "^[a&&b]+$" "a&b" }}"#, "true"),
        (r#"{{ regexMatch "^\\Qa.b\\E$" "a.b" }}"#, "true"),
        (r#"{{ regexMatch "^\\Qa.b\\E$" "axb" }}"#, "false"),
        (r#"{{ regexMatch "^a{$" "a{" }}"#, "true"),
        (r#"{{ regexMatch "^[\\w-]+$" "a-b_c" }}"#, "true"),
        (
            r#"{{ regexReplaceAll "(\\w+)@(\\w+)" "me@home" "$2 $1" }}"#,
            "home me",
        ),
    ] {
        assert_eq!(render(source), Ok(text.to_owned()), "{source}");
    }
}
