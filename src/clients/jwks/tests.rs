use super::*;
use crate::clients::http::Settings;
use crate::clients::keys::{Algorithm, generate};
use crate::clients::stub::{Reply, Stub};
use std::sync::Mutex as StdMutex;

const RS: Algorithm = Algorithm::ES256;

fn key(kid: &str) -> Value {
    generate("ES256", Some(kid), 0).unwrap()["keys"][0].clone()
}

fn set(kids: &[&str]) -> Value {
    let keys: Vec<Value> = kids.iter().map(|kid| key(kid)).collect();
    serde_json::json!({ "keys": keys })
}

fn sets(unknown_kid: u64, failure: u64) -> KeySets {
    let http = Arc::new(Http::new(Settings::default(), None).unwrap());
    let pace = Pace {
        unknown_kid: Duration::from_millis(unknown_kid),
        failure: Duration::from_millis(failure),
    };
    KeySets::with_pace(http, pace)
}

fn patience(ttl: u64, max_wait: u64) -> Patience {
    Patience {
        ttl: Duration::from_millis(ttl),
        max_wait: Duration::from_millis(max_wait),
    }
}

/// Answers what the test puts into the cell.
async fn changing(first: Reply) -> (Stub, Arc<StdMutex<Reply>>) {
    let cell = Arc::new(StdMutex::new(first));
    let answer = cell.clone();
    let stub = Stub::start(move |_, _| answer.lock().unwrap().clone()).await;
    (stub, cell)
}

/// Asks until the answer is as wished, or a few seconds have passed.
async fn eventually(mut wish: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if wish().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened");
}

#[tokio::test]
async fn a_known_key_is_served_from_memory() {
    let stub = Stub::start(|_, _| Reply::json(&set(&["a", "b"]))).await;
    let sets = sets(10_000, 1_000);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(30_000, 1_000))
        .unwrap();
    for _ in 0..100 {
        ring.find("a", RS).await.unwrap();
        ring.find("b", RS).await.unwrap();
    }
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn ten_thousand_random_key_ids_cause_two_fetches_and_good_ones_are_served() {
    let stub = Stub::start(|_, _| Reply::json(&set(&["good"]))).await;
    let sets = sets(10_000, 1_000);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(30_000, 1_000))
        .unwrap();
    ring.find("good", RS).await.unwrap();
    for n in 0..10_000 {
        let found = ring.find(&format!("made-up-{n}"), RS).await;
        assert_eq!(found.unwrap_err(), FindError::Unknown);
        assert!(ring.peek("good", RS).is_some());
    }
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn a_thousand_requests_share_the_first_fetch() {
    let stub = Stub::start(|_, _| Reply::json(&set(&["a"]))).await;
    let sets = sets(10_000, 1_000);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(30_000, 1_000))
        .unwrap();
    let found = futures_util::future::join_all((0..1000).map(|_| ring.find("a", RS))).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_a_withdrawn_one_is_forgotten() {
    let (stub, answer) = changing(Reply::json(&set(&["old"]))).await;
    let sets = sets(0, 0);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(20, 1_000))
        .unwrap();
    ring.find("old", RS).await.unwrap();
    *answer.lock().unwrap() = Reply::json(&set(&["new"]));
    ring.find("new", RS).await.unwrap();
    assert_eq!(ring.find("old", RS).await.unwrap_err(), FindError::Unknown);
}

#[tokio::test]
async fn an_old_set_is_served_while_it_is_renewed() {
    let (stub, answer) = changing(Reply::json(&set(&["a"]))).await;
    let sets = sets(10_000, 1_000);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(1, 60_000))
        .unwrap();
    ring.find("a", RS).await.unwrap();
    *answer.lock().unwrap() = Reply::never();
    tokio::time::sleep(Duration::from_millis(5)).await;
    ring.find("a", RS).await.unwrap();
    eventually(async || stub.calls().len() == 2).await;
}

#[tokio::test]
async fn one_dead_url_hides_no_key_of_another() {
    let stub = Stub::start(|_, _| Reply::json(&set(&["a"]))).await;
    let sets = sets(10_000, 1_000);
    let urls = ["http://127.0.0.1:1/dead", stub.url("/k").as_str()].map(str::to_owned);
    let ring = sets.verifying(&urls, patience(30_000, 1_000)).unwrap();
    ring.find("a", RS).await.unwrap();
}

#[tokio::test]
async fn the_first_set_wins() {
    let one = Stub::start(|_, _| Reply::json(&set(&["a"]))).await;
    let two = Stub::start(|_, _| Reply::json(&set(&["a"]))).await;
    let sets = sets(10_000, 1_000);
    let (one, two) = (one.url("/").to_string(), two.url("/").to_string());
    let both = sets
        .verifying(&[&one, &two], patience(30_000, 1_000))
        .unwrap();
    let first = both.find("a", RS).await.unwrap();
    let alone = sets.verifying(&[&one], patience(30_000, 1_000)).unwrap();
    assert!(Arc::ptr_eq(&first, &alone.find("a", RS).await.unwrap()));
}

#[tokio::test]
async fn no_request_waits_longer_than_it_may_and_a_late_answer_counts() {
    let (stub, answer) = changing(Reply::never()).await;
    let sets = sets(0, 0);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(30_000, 30))
        .unwrap();
    let began = std::time::Instant::now();
    assert_eq!(
        ring.find("a", RS).await.unwrap_err(),
        FindError::Unavailable
    );
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(answer);
}

#[tokio::test]
async fn a_server_that_is_down_does_not_take_known_keys_with_it() {
    let (stub, answer) = changing(Reply::json(&set(&["a"]))).await;
    let sets = sets(0, 0);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(1, 50))
        .unwrap();
    ring.find("a", RS).await.unwrap();
    *answer.lock().unwrap() = Reply::cut();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        ring.find("a", RS).await.unwrap();
    }
}

#[tokio::test]
async fn a_set_that_became_unreadable_verifies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, set(&["a"]).to_string()).unwrap();
    let sets = sets(0, 0);
    let url = format!("file://{}", path.display());
    let ring = sets.verifying(&[&url], patience(1, 1_000)).unwrap();
    ring.find("a", RS).await.unwrap();
    std::fs::write(&path, "not json").unwrap();
    eventually(async || ring.find("a", RS).await.is_err()).await;
    std::fs::write(&path, set(&["a"]).to_string()).unwrap();
    eventually(async || ring.find("a", RS).await.is_ok()).await;
}

#[tokio::test]
async fn the_same_text_keeps_the_same_keys() {
    let keys = set(&["a"]);
    let stub = Stub::start(move |_, _| Reply::json(&keys)).await;
    let sets = sets(0, 0);
    let ring = sets
        .verifying(&[stub.url("/k").as_str()], patience(30_000, 1_000))
        .unwrap();
    let before = ring.find("a", RS).await.unwrap();
    let _ = ring.find("unknown", RS).await;
    assert_eq!(stub.calls().len(), 2);
    assert!(ring.contains(&before));
    assert!(Arc::ptr_eq(&before, &ring.peek("a", RS).unwrap()));
}

#[tokio::test]
async fn answers_that_are_no_sets_are_not_used() {
    for reply in [
        Reply::text(404, "nope"),
        Reply::text(403, "{\"keys\":[]}"),
        Reply::text(200, "<html></html>"),
        Reply::text(200, ""),
        Reply::text(200, "null"),
        Reply::text(204, ""),
        Reply::text(302, "").header("Location", "file:///etc/passwd"),
        Reply::endless(),
    ] {
        let (stub, _) = changing(reply.clone()).await;
        let sets = sets(10_000, 1_000);
        let ring = sets
            .verifying(&[stub.url("/k").as_str()], patience(30_000, 1_000))
            .unwrap();
        let found = ring.find("a", RS).await;
        assert_eq!(found.unwrap_err(), FindError::Unavailable, "{reply:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_set_is_followed() {
    let stub = Stub::start(|asked, _| match asked.line().1 {
        "/old" => Reply::text(302, "").header("Location", "/new"),
        _ => Reply::json(&set(&["a"])),
    })
    .await;
    let sets = sets(10_000, 1_000);
    let ring = sets
        .verifying(&[stub.url("/old").as_str()], patience(30_000, 1_000))
        .unwrap();
    ring.find("a", RS).await.unwrap();
}

#[tokio::test]
async fn the_published_keys_are_all_public_halves_each_once() {
    let keys = set(&["a", "b"]);
    let stub = Stub::start(move |_, _| Reply::json(&keys)).await;
    let sets = sets(10_000, 1_000);
    let ring = |path: &str| {
        sets.signing(stub.url(path).as_str(), patience(30_000, 1_000))
            .unwrap()
    };
    let rings = [ring("/1"), ring("/2")];
    let published = KeySets::published(&rings).await;
    assert_eq!(published.len(), 2);
    assert!(published.iter().all(|key| !key.contains_key("d")));
    let set = rings[0].current().await.unwrap();
    assert_eq!(set.signer.as_ref().unwrap().kid(), "a");
}

#[test]
fn locations_are_read_as_the_reference_reads_them() {
    let file = |path: &str| Ok(Location::File(path.into()));
    assert_eq!(Location::parse("file:///etc/k.json"), file("/etc/k.json"));
    assert_eq!(Location::parse("file://k.json"), file("k.json"));
    assert_eq!(Location::parse("file://./sub/k.json"), file("./sub/k.json"));
    assert_eq!(Location::parse("k.json"), file("k.json"));
    assert_eq!(
        Location::parse("ftp://h/k"),
        Ok(Location::Unreadable("ftp".into()))
    );
    assert!(Location::parse("").is_err());
    assert!(Location::parse("http://").is_err());
    let secret = Location::parse("https://u:p@h.test/k?token=s").unwrap();
    assert_eq!(secret.to_string(), "https://h.test");
}

#[tokio::test]
async fn sets_that_nothing_names_any_more_are_let_go() {
    let sets = sets(10_000, 1_000);
    for n in 0..100 {
        let url = format!("http://127.0.0.1:1/{n}");
        sets.verifying(&[&url], patience(1, 1)).unwrap();
    }
    assert!(sets.verifying.lock().unwrap().len() <= 2);
}
