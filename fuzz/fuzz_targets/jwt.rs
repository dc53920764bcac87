//! Any bytes as a token, its header or a key set: read or refused, never a panic, and nothing that nobody signed is accepted.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward::clients::cache::{Cache, Store};
use doorward::clients::http::{Http, Settings};
use doorward::clients::jwks::{KeyRing, KeySets, Patience};
use doorward::clients::jwt::{Demands, Nameless, Verifier};
use doorward::clients::keys::{Algorithm, generate, parse_set};
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

struct World {
    ring: KeyRing,
    verifier: Verifier,
    /// Keys are read in the background.
    runtime: tokio::runtime::Runtime,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("doorward-fuzz-{}.json", std::process::id()));
    let keys = generate("ES256", Some("key-1"), 0)
        .expect("a key")
        .to_string();
    std::fs::write(&path, keys).expect("a file");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let sets = KeySets::new(Arc::new(
        Http::new(Settings::default(), None).expect("a client"),
    ));
    let patience = Patience {
        ttl: Duration::from_secs(86_400),
        ..Patience::default()
    };
    let ring = sets
        .verifying(&[format!("file://{}", path.display())], patience)
        .expect("a ring");
    runtime
        .block_on(ring.find("key-1", Algorithm::ES256))
        .expect("the key");
    let verifier = Verifier {
        demands: Demands {
            algorithms: vec![Algorithm::ES256],
            ..Demands::default()
        },
        nameless: Nameless::Refused,
        memory: Cache::new(Store::new(0), Arc::default()),
    };
    World {
        ring,
        verifier,
        runtime,
    }
});

// Input: a token; or, behind a first byte of `{`, a token's header or a key set.
fuzz_target!(|data: &[u8]| {
    let _keys = parse_set(data);
    let mut tokens = vec![data.to_vec()];
    if data.first() == Some(&b'{') {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let claims = encode(br#"{"sub":"admin","exp":4102444800}"#);
        tokens.push(format!("{}.{claims}.{}", encode(data), encode(&[7; 64])).into_bytes());
    }
    let _inside = WORLD.runtime.enter();
    for token in tokens {
        if let Some(Some(Ok(_))) = WORLD.verifier.verify(&token, &WORLD.ring).now_or_never() {
            panic!("a token that nobody signed was accepted");
        }
    }
});
