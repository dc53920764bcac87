//! What exists only where `templates.unsafe_functions` says so: functions that read the environment or the network, make keys, or
//! burn time on purpose.

use super::Ty::{String as Text, Uint32};
use super::{Args, Cx, Effect, Function};
use crate::template::fail::{fail, failf};
use crate::template::val::{Res, Val};
use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use std::net::ToSocketAddrs as _;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("env", &[Text], |cx, mut args| {
        let value = variable(&args.text());
        cx.text(value)
    })
    .with(Effect::Unsafe),
    Function::new("expandenv", &[Text], |cx, mut args| {
        let text = expanded(&args.text());
        cx.text(text)
    })
    .with(Effect::Unsafe),
    Function::new("getHostByName", &[Text], |cx, mut args| {
        let name = args.text();
        let mut addresses: Vec<String> = (name.as_str(), 0)
            .to_socket_addrs()
            .map(|found| found.map(|address| address.ip().to_string()).collect())
            .unwrap_or_default();
        addresses.sort();
        match addresses.first() {
            Some(address) => cx.text(address),
            None => fail("getHostByName: no address"),
        }
    })
    .with(Effect::Unsafe),
    Function::new("encryptAES", &[Text, Text], encrypt).with(Effect::Unsafe),
    Function::new("decryptAES", &[Text, Text], decrypt).with(Effect::Unsafe),
    Function::new("bcrypt", &[Text], |cx, mut args| {
        let hash = bcrypt_hash(args.str().bytes())?;
        cx.text(hash)
    })
    .with(Effect::Unsafe),
    Function::new("htpasswd", &[Text, Text], |cx, mut args| {
        let (user, password) = (args.text(), args.str());
        if user.contains(':') {
            return cx.text(format!("invalid username: {user}"));
        }
        let hash = bcrypt_hash(password.bytes())?;
        cx.text(format!("{user}:{hash}"))
    })
    .with(Effect::Unsafe),
    Function::new("derivePassword", &[Uint32, Text, Text, Text, Text], derive).with(Effect::Unsafe),
    Function::new("genPrivateKey", &[Text], |cx, mut args| {
        let key = private_key(&args.text())?;
        cx.text(key)
    })
    .with(Effect::Unsafe),
];

fn variable(name: &str) -> String {
    // The standard library refuses these names by panicking.
    if name.is_empty() || name.contains(['=', '\0']) {
        return String::new();
    }
    std::env::var(name).unwrap_or_default()
}

/// `$name` and `${name}`.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let after = after.get(1..).unwrap_or_default();
        if let Some(braced) = after.strip_prefix('{') {
            match braced.split_once('}') {
                Some((name, tail)) => {
                    out.push_str(&variable(name));
                    rest = tail;
                }
                None => rest = braced,
            }
            continue;
        }
        let end = after
            .find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        if name.is_empty() {
            out.push('$');
        }
        out.push_str(&variable(name));
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The password's first 32 bytes, filled up with zeros.
fn aes_key(password: &[u8]) -> Res<UnboundCipherKey> {
    let mut key = [0u8; 32];
    for (to, from) in key.iter_mut().zip(password) {
        *to = *from;
    }
    UnboundCipherKey::new(&AES_256, &key).or_else(|_| fail("encryptAES: bad key"))
}

fn encrypt<'a>(cx: &mut Cx<'_>, mut args: Args<'a>) -> Res<Val<'a>> {
    let (password, text) = (args.str(), args.str());
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(password.bytes())?);
    let mut data = text.bytes().to_vec();
    let context = key.and_then(|key| key.encrypt(&mut data));
    let Ok(DecryptionContext::Iv128(iv)) = context else {
        return fail("encryptAES failed");
    };
    let mut out = iv.as_ref().to_vec();
    out.extend(data);
    cx.text(super::encoding::base64(&out))
}

fn decrypt<'a>(cx: &mut Cx<'_>, mut args: Args<'a>) -> Res<Val<'a>> {
    let (password, text) = (args.str(), args.str());
    let Ok(mut data) = super::encoding::decode64(text.bytes()) else {
        return fail("decryptAES: not base64");
    };
    let Some((iv, body)) = data.split_at_mut_checked(16) else {
        return fail("decryptAES: too short");
    };
    let iv = FixedLength::<16>::try_from(&*iv).or_else(|_| fail("decryptAES: too short"))?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes_key(password.bytes())?);
    let plain = key.and_then(|key| {
        key.decrypt(body, DecryptionContext::Iv128(iv))
            .map(|plain| plain.to_vec())
    });
    match plain {
        Ok(plain) => cx.text(plain),
        Err(_) => fail("decryptAES failed"),
    }
}

fn bcrypt_hash(password: &[u8]) -> Res<String> {
    if password.len() > 72 {
        return fail("bcrypt: the password is longer than 72 bytes");
    }
    match bcrypt::hash_with_result(password, 10) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA)),
        Err(_) => fail("bcrypt failed"),
    }
}

/// The templates of the Master Password algorithm, by type of password.
const TEMPLATES: &[(&str, &[&str])] = &[
    ("maximum", &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"]),
    (
        "long",
        &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
    ),
    ("medium", &["CvcnoCvc", "CvcCvcno"]),
    ("short", &["Cvcn"]),
    ("basic", &["aaanaaan", "aannaaan", "aaannaaa"]),
    ("pin", &["nnnn"]),
];

fn class(c: u8) -> &'static [u8] {
    match c {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        b'x' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
        _ => b"",
    }
}

fn derive<'a>(cx: &mut Cx<'_>, mut args: Args<'a>) -> Res<Val<'a>> {
    const SCOPE: &[u8] = b"com.lyndir.masterpassword";
    let counter = args.int() as u32;
    let kind = args.text();
    let (password, user, site) = (args.str(), args.str(), args.str());
    let Some((_, templates)) = TEMPLATES.iter().find(|(name, _)| *name == kind) else {
        return cx.text(format!("cannot find password template {kind}"));
    };
    let length = |text: &[u8]| (text.len() as u32).to_be_bytes();
    let salt = [SCOPE, &length(user.bytes()), user.bytes()].concat();
    let mut key = [0u8; 64];
    let cost = scrypt::Params::new(15, 8, 2);
    let made = cost.map(|cost| scrypt::scrypt(password.bytes(), &salt, &cost, &mut key).is_ok());
    if made != Ok(true) {
        return fail("derivePassword failed");
    }
    let text = [
        SCOPE,
        &length(site.bytes()),
        site.bytes(),
        &counter.to_be_bytes(),
    ]
    .concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let seed = hmac::sign(&key, &text);
    let seed = seed.as_ref();
    let byte = |i: usize| usize::from(seed.get(i).copied().unwrap_or(0));
    let template = templates
        .get(byte(0) % templates.len())
        .copied()
        .unwrap_or_default();
    let derived: Vec<u8> = template
        .bytes()
        .enumerate()
        .filter_map(|(i, c)| {
            let class = class(c);
            class.get(byte(i + 1) % class.len().max(1)).copied()
        })
        .collect();
    cx.text(derived)
}

/// A new key as PKCS #8 in PEM. (The reference writes PKCS #1 and SEC 1 for two of them; every reader knows PKCS #8.)
fn private_key(kind: &str) -> Res<String> {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::{rsa, signature};
    let der: Option<Vec<u8>> = match kind {
        "" | "rsa" => rsa::KeyPair::generate(KeySize::Rsa4096)
            .and_then(|key| {
                AsDer::<Pkcs8V1Der<'static>>::as_der(&key).map(|der| der.as_ref().to_vec())
            })
            .ok(),
        "ecdsa" => signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|key| key.to_pkcs8v1().map(|der| der.as_ref().to_vec()))
            .ok(),
        "ed25519" => signature::Ed25519KeyPair::generate()
            .and_then(|key| key.to_pkcs8v1().map(|der| der.as_ref().to_vec()))
            .ok(),
        other => return failf(format!("Unknown type {other}")),
    };
    let Some(der) = der else {
        return fail("failed to generate private key");
    };
    let text = super::encoding::base64(&der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    ))
}
