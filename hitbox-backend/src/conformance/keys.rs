//! Keys of any content and length work, and no two share an entry.

use hitbox_core::{CacheKey, KeyPart};

use super::{
    check::{CheckResult, checks, violation},
    sample::lasting,
    trial::Trial,
};

checks! { "keys":
    near_identical_keys_never_share,
    hostile_content,
    long_keys,
    empty_key_is_usable,
}

/// Writes a value of its own under each key, then holds if each reads its own, and if removing them
/// one after the other takes each only its own.
async fn expect_apart(trial: &Trial, keys: &[CacheKey]) -> CheckResult {
    let values: Vec<_> = (0..keys.len())
        .map(|index| lasting(format!("value {index}")))
        .collect();
    for (key, value) in keys.iter().zip(&values) {
        trial.write(key, value).await?;
    }
    for (index, (key, value)) in keys.iter().zip(&values).enumerate() {
        let when = format!("under {}, key {index} of the check", shortened(key));
        trial.expect(key, value, &when).await?;
        trial.remove(key).await?;
        trial
            .expect_absent(key, &format!("after the removal of {}", shortened(key)))
            .await?;
    }
    Ok(())
}

fn shortened(key: &CacheKey) -> String {
    let text = key.as_text();
    let shown: String = text.chars().take(120).collect();
    format!("{shown:?} ({} bytes)", text.len())
}

async fn near_identical_keys_never_share(trial: &Trial) -> CheckResult {
    let prefix = trial.prefix();
    let part = |name: &str, value: Option<&str>| KeyPart::new(name, value);
    let keys = [
        CacheKey::new(prefix, 1, []),
        CacheKey::new(prefix, 2, []),
        CacheKey::new(format!("{prefix}:v1"), 1, []),
        CacheKey::new(format!("{prefix}:"), 1, []),
        CacheKey::new(prefix.to_uppercase(), 1, []),
        CacheKey::new("", 1, [part(prefix, None)]),
        CacheKey::new("", 1, [part("", Some(prefix))]),
        CacheKey::new(prefix, 1, [part("", None)]),
        CacheKey::new(prefix, 1, [part("", Some(""))]),
        CacheKey::new(prefix, 1, [part("a", None)]),
        CacheKey::new(prefix, 1, [part("a", Some(""))]),
        CacheKey::new(prefix, 1, [part("a=", None)]),
        CacheKey::new(prefix, 1, [part("a", Some("b"))]),
        CacheKey::new(prefix, 1, [part("A", Some("b"))]),
        CacheKey::new(prefix, 1, [part("a", Some("B"))]),
        CacheKey::new(prefix, 1, [part("a=b", None)]),
        CacheKey::new(prefix, 1, [part("a", Some("b&c=d"))]),
        CacheKey::new(prefix, 1, [part("a", Some("b")), part("c", Some("d"))]),
        CacheKey::new(prefix, 1, [part("c", Some("d")), part("a", Some("b"))]),
        CacheKey::new(prefix, 1, [part("a", Some("b")), part("a", Some("b"))]),
        CacheKey::new(prefix, 11, [part("a", Some("b"))]),
    ];
    expect_apart(trial, &keys.map(|key| trial.own(key))).await
}

async fn hostile_content(trial: &Trial) -> CheckResult {
    let contents = [
        "\0",
        "\0\0",
        "a\0",
        "a\0b",
        "\n",
        "\r\n",
        "\t",
        " ",
        "  ",
        "a ",
        " a",
        "%",
        "%00",
        "%2500",
        "&",
        "=",
        ":",
        "::",
        "/",
        "\\",
        "../..",
        "{a}",
        "{b}",
        "*",
        "?",
        "[a-z]",
        "'",
        "\"",
        ";",
        "$",
        "\u{7f}",
        "\u{80}",
        "\u{feff}",
        "\u{202e}",
        // The same letter, composed and decomposed: equal to the eye and to some file systems.
        "\u{e9}",
        "e\u{301}",
        "\u{212b}",
        "\u{c5}",
        "\u{df}",
        "ss",
        "日本語",
        "🦀",
        "🦀🦀",
    ];
    let keys: Vec<CacheKey> = contents
        .iter()
        .flat_map(|content| {
            let as_value = KeyPart::new("in", Some(content));
            let as_name = KeyPart::new(content, Some("in"));
            [
                CacheKey::new(trial.prefix(), 1, [as_value]),
                CacheKey::new(trial.prefix(), 1, [as_name]),
                CacheKey::new(format!("{}{content}", trial.prefix()), 1, []),
            ]
        })
        .map(|key| trial.own(key))
        .collect();
    expect_apart(trial, &keys).await
}

async fn long_keys(trial: &Trial) -> CheckResult {
    // Around the limits of stores and file systems, and far over them.
    for length in [200, 255, 256, 1_000, 1_024, 2_048, 3_000, 65_536, 100_000] {
        // Apart in the first, a middle and the last byte, and by being one longer.
        let same = "k".repeat(length);
        let first = format!("x{}", &same[1..]);
        let middle = format!("{}x{}", &same[..length / 2], &same[length / 2 + 1..]);
        let last = format!("{}x", &same[1..]);
        let longer = format!("{same}k");
        let keys = [same, first, middle, last, longer].map(|name| trial.key(name));
        expect_apart(trial, &keys).await?;
    }
    Ok(())
}

/// The one key that cannot be the check's own: in a shared store others may use it at the same
/// time, so that it must work is all that can be said there.
async fn empty_key_is_usable(trial: &Trial) -> CheckResult {
    let key = trial.own(CacheKey::new("", 0, []));
    let value = lasting("empty key");
    trial.write(&key, &value).await?;
    let found = trial.read(&key).await?;
    trial.remove(&key).await?;
    if trial.backend().capabilities().shared {
        return Ok(());
    }
    match found {
        Some(found) if trial.is_same(&value, &found) => Ok(()),
        Some(_) => Err(violation!("another value under the empty key")),
        None => Err(violation!("the value under the empty key was missing")),
    }
}
