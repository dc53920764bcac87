use super::*;
use crate::config::Repository;
use std::fs;

fn tools() -> Tools {
    Tools {
        http: Arc::new(Http::new(Default::default(), None).unwrap()),
        refresh: Duration::from_secs(30),
    }
}

async fn ids(url: &str) -> Result<Vec<String>, FetchError> {
    let repository = Repository::try_from(url.to_owned()).unwrap();
    match open(&repository, &tools()).fetch(None).await? {
        Fetched::Rules { rules, .. } => Ok(rules.iter().map(|rule| rule.id.to_string()).collect()),
        Fetched::Unchanged => panic!("never fetched before"),
    }
}

#[tokio::test]
async fn files_folders_and_patterns_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    for (name, text) in [
        ("b.yaml", "- id: b\n"),
        ("a.json", r#"[{"id":"a1"},{"id":"a2"}]"#),
        ("c.txt", r#"[{"id":"c"}]"#),
        (".hidden.json", r#"[{"id":"h"}]"#),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(ids(&format!("file://{at}/c.txt")).await.unwrap(), ["c"]);
    assert_eq!(
        ids(&format!("file://{at}/")).await.unwrap(),
        ["a1", "a2", "b"]
    );
    assert_eq!(ids(&format!("glob://{at}/?.[jy]*")).await.unwrap(), [""; 0]);
    assert_eq!(
        ids(&format!("glob://{at}/*.json")).await.unwrap(),
        ["a1", "a2"]
    );
    // As recorded: a folder without the slash and a `*` in a file's name are files that aren't there.
    assert!(ids(&format!("file://{at}")).await.is_err());
    assert!(ids(&format!("file://{at}/*.json")).await.is_err());
}

#[tokio::test]
async fn inline_rules_are_read() {
    assert_eq!(
        ids("inline://W3siaWQiOiJhLz8rIn1d").await.unwrap(),
        ["a/?+"]
    );
    assert!(ids("inline://e30=").await.is_err());
}

#[test]
fn failures_are_repeated_sooner_but_ever_more_slowly() {
    let refresh = Duration::from_secs(30);
    let mut last = Duration::ZERO;
    for failures in 1..5 {
        let wait = pause(refresh, failures);
        assert!(wait > last && wait < refresh, "{failures}: {wait:?}");
        last = wait;
    }
    assert!(pause(refresh, 0) > Duration::from_secs(26));
    assert!(pause(refresh, 40) < Duration::from_secs(34));
}
