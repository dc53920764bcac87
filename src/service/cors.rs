//! Cross-origin requests, as the reference's listeners answer them (rs/cors 1.11 with its list of registrable domains).

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::collections::BTreeSet;

const ORIGIN_ONLY: HeaderValue = HeaderValue::from_static("Origin");
const ALL_REQUEST_FIELDS: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
/// What the answer to a cross-origin request may say; an upstream's own lines of these names give way.
pub(super) const MANAGED: [HeaderName; 3] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
];

/// What `serve.*.cors` says.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub credentials: Credentials,
    /// Seconds; `None` leaves the header out.
    pub max_age: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Credentials {
    #[default]
    Refused,
    Allowed,
}

#[derive(Debug)]
enum Origins {
    Any,
    Listed(Vec<OriginPattern>),
}

#[derive(Debug)]
enum OriginPattern {
    Exact(String),
    Affixes { prefix: String, suffix: String },
}

#[derive(Debug)]
enum RequestHeaders {
    Any,
    /// In lower case.
    Listed(BTreeSet<String>),
}

/// A listener's rules for cross-origin requests, compiled.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Origins,
    methods: Vec<String>,
    headers: RequestHeaders,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: Credentials,
}

impl Cors {
    pub(super) fn new(settings: &Settings) -> Cors {
        let origins = origins(&settings.allowed_origins);
        let any_header = settings.allowed_headers.iter().any(|name| name == "*");
        let listed = || {
            settings
                .allowed_headers
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect()
        };
        Cors {
            // `*` with credentials would hand every site the user's session.
            credentials: if matches!(origins, Origins::Any) {
                Credentials::Refused
            } else {
                settings.credentials
            },
            origins,
            methods: settings
                .allowed_methods
                .iter()
                .map(|method| method.to_ascii_uppercase())
                .collect(),
            headers: if any_header {
                RequestHeaders::Any
            } else {
                RequestHeaders::Listed(listed())
            },
            expose: value(&settings.exposed_headers.join(", ")),
            max_age: settings.max_age.map(HeaderValue::from),
        }
    }

    /// The headers of the answer to a preflight, which no rule sees; `None` where the request is none.
    pub(super) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        if method != Method::OPTIONS {
            return None;
        }
        let wanted = request
            .get(ACCESS_CONTROL_REQUEST_METHOD)
            .filter(|method| !method.is_empty())?;
        let mut answer = HeaderMap::new();
        answer.insert(VARY, ALL_REQUEST_FIELDS);
        let allowed = || {
            let origin = self.origin(request)?;
            let method = wanted
                .to_str()
                .ok()
                .filter(|method| self.allows_method(method))?;
            let headers = request
                .get(ACCESS_CONTROL_REQUEST_HEADERS)
                .filter(|list| !list.is_empty());
            headers
                .is_none_or(|list| self.allows_headers(list))
                .then_some((origin, method, headers))
        };
        if let Some((origin, method, headers)) = allowed() {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if let Some(method) = value(method) {
                answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
            }
            if let Some(headers) = headers {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
            }
            if let Some(age) = &self.max_age {
                answer.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
            }
            self.add_credentials(&mut answer);
        }
        Some(answer)
    }

    /// What any other answer carries.
    pub(super) fn answer(&self, method: &Method, request: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        answer.insert(VARY, ORIGIN_ONLY);
        let Some(origin) = self
            .origin(request)
            .filter(|_| self.allows_method(method.as_str()))
        else {
            return answer;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if let Some(expose) = &self.expose {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        self.add_credentials(&mut answer);
        answer
    }

    fn add_credentials(&self, answer: &mut HeaderMap) {
        if self.credentials == Credentials::Allowed {
            answer.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }

    /// The request's origin, where it has one that is allowed.
    fn origin<'r>(&self, request: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let mut lines = request.get_all(ORIGIN).iter();
        let origin = lines.next().filter(|origin| !origin.is_empty())?;
        // Two origins are one too many.
        if lines.next().is_some() {
            return None;
        }
        let text = origin.to_str().ok()?;
        let allowed = match &self.origins {
            Origins::Any => true,
            Origins::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(text)),
        };
        allowed.then_some(origin)
    }

    fn allows_method(&self, method: &str) -> bool {
        method == "OPTIONS" || self.methods.iter().any(|allowed| allowed == method)
    }

    /// Browsers send the list in lower case, sorted, each name once, with at most one space around commas; nothing else is taken.
    fn allows_headers(&self, list: &HeaderValue) -> bool {
        let RequestHeaders::Listed(allowed) = &self.headers else {
            return true;
        };
        let Ok(list) = list.to_str() else {
            return false;
        };
        let mut previous = "";
        list.split(',').all(|item| {
            let name = item.strip_prefix(' ').unwrap_or(item);
            let name = name.strip_suffix(' ').unwrap_or(name);
            let fits = allowed.contains(name) && (previous.is_empty() || previous < name);
            previous = name;
            fits
        })
    }
}

impl OriginPattern {
    fn matches(&self, origin: &str) -> bool {
        match self {
            OriginPattern::Exact(allowed) => allowed == origin,
            OriginPattern::Affixes { prefix, suffix } => {
                origin.len() >= prefix.len() + suffix.len()
                    && origin.starts_with(prefix)
                    && origin.ends_with(suffix)
                    && {
                        let middle = origin
                            .get(prefix.len()..origin.len() - suffix.len())
                            .unwrap_or_default();
                        // A subdomain and nothing else: no userinfo, path or port may hide in it.
                        !middle.is_empty()
                            && middle.bytes().all(|b| {
                                b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')
                            })
                    }
            }
        }
    }
}

/// No list is any origin, as in the reference.
fn origins(list: &[String]) -> Origins {
    if list.is_empty() || list.iter().any(|origin| origin == "*") {
        return Origins::Any;
    }
    Origins::Listed(
        list.iter()
            .filter_map(|origin| pattern(&origin.to_lowercase()))
            .collect(),
    )
}

/// A wildcard must stand for whole labels in front of a registrable domain: `https://*.com` and `https://*foo.com` allow nothing.
fn pattern(origin: &str) -> Option<OriginPattern> {
    let Some((prefix, suffix)) = origin.split_once('*') else {
        return Some(OriginPattern::Exact(origin.to_owned()));
    };
    let domain = suffix.strip_prefix('.')?;
    let name = domain.split([':', '/']).next().unwrap_or_default();
    psl::domain_str(name)?;
    Some(OriginPattern::Affixes {
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
    })
}

fn value(text: &str) -> Option<HeaderValue> {
    (!text.is_empty())
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors::new(&Settings {
            allowed_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
            allowed_methods: vec!["GET".into()],
            allowed_headers: vec!["Authorization".into(), "X-Token".into()],
            credentials: Credentials::Allowed,
            ..Settings::default()
        })
    }

    fn lets_in(cors: &Cors, origin: &str) -> bool {
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, origin.parse().unwrap());
        cors.answer(&Method::GET, &request)
            .contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    }

    #[test]
    fn a_wildcard_stops_at_a_registrable_domain() {
        let cors = cors(&[
            "https://*.example.com",
            "https://*foo.com",
            "https://*.com",
            "https://*.co.uk",
            "http://localhost:*",
        ]);
        for origin in [
            "https://evilfoo.com",
            "https://evil.com",
            "https://evil.co.uk",
            "http://localhost:1",
            "https://a.example.com:444",
        ] {
            assert!(!lets_in(&cors, origin), "{origin}");
        }
        assert!(!lets_in(&cors, "https://evil.test/@a.example.com"));
        assert!(lets_in(&cors, "https://a.example.com"));
        assert!(lets_in(&cors, "https://a.b.example.com"));
    }

    #[test]
    fn any_origin_never_comes_with_credentials() {
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, "https://whoever.test".parse().unwrap());
        let answer = cors(&["*"]).answer(&Method::GET, &request);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://whoever.test");
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn requested_headers_are_taken_as_browsers_send_them() {
        let cors = cors(&["https://app.test"]);
        let preflight = |list: &str| {
            let mut request = HeaderMap::new();
            request.insert(ORIGIN, "https://app.test".parse().unwrap());
            request.insert(ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap());
            request.insert(ACCESS_CONTROL_REQUEST_HEADERS, list.parse().unwrap());
            cors.preflight(&Method::OPTIONS, &request)
                .unwrap()
                .contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
        };
        assert!(preflight("authorization,x-token"));
        assert!(preflight("authorization, x-token"));
        for list in [
            "Authorization",
            "x-token,authorization",
            "authorization,authorization",
            "x-other",
        ] {
            assert!(!preflight(list), "{list}");
        }
    }
}
