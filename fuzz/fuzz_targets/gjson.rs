//! Any path and document: read or refused, never a panic, and what is found is found again.
#![no_main]

use doorward::gjson::Path;
use libfuzzer_sys::fuzz_target;

// Input: a path, a line break, a document.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (path, document) = text
        .split_once('\n')
        .unwrap_or((text, r#"{"a":[1,{"b":"c"}],"d":null}"#));
    let Ok(path) = Path::parse(path) else { return };
    if let (Ok(found), Ok(again)) = (path.get(document), path.get(document)) {
        assert_eq!(found.text(), again.text());
        let _subject = (found.subject(), found.extra());
    }
    let _direct = (path.subject(document), path.extra(document));
});
