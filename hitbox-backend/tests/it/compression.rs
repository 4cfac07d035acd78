//! The compressors: what comes back, and what is refused.

use hitbox_backend::compression::{
    CompressionError, Compressor, GzipCompressor, Lz4Compressor, ZstdCompressor,
};
use proptest::prelude::*;

static GZIP: GzipCompressor = GzipCompressor::new();
static ZSTD: ZstdCompressor = ZstdCompressor::new();
static CODECS: [&dyn Compressor; 3] = [&GZIP, &ZSTD, &Lz4Compressor];

fn long_text() -> String {
    "All work and no cache makes a dull service. ".repeat(8)
}

#[test]
fn the_limit_is_the_largest_that_is_decompressed() {
    for codec in CODECS {
        for length in [0, 1, 1_000, 100_000, 5_000_000] {
            let payload: Vec<u8> = (0..length).map(|index: u32| (index >> 4) as u8).collect();
            let compressed = codec.compress(&payload).unwrap();
            let back = codec.decompress(&compressed, payload.len()).unwrap();
            assert!(back == payload, "{codec:?}: {length} bytes");
            if let Some(less) = payload.len().checked_sub(1) {
                let outcome = codec.decompress(&compressed, less);
                assert!(
                    matches!(outcome, Err(CompressionError::OverLimit { limit }) if limit == less),
                    "{codec:?}: {length} bytes"
                );
            }
        }
    }
}

#[test]
fn two_payloads_in_a_row_are_not_one() {
    for codec in CODECS {
        let once = codec.compress(b"once").unwrap();
        let twice = [once.clone(), once].concat();
        assert!(codec.decompress(&twice, 1_000).is_err(), "{codec:?}");
    }
}

proptest! {
    // No persistence files: a failure prints its shrunk case.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_payloads_never_panic(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let text = long_text();
        for codec in CODECS {
            let mut compressed = codec.compress(text.as_bytes()).unwrap();
            let truncated = &compressed[..cut.index(compressed.len())];
            prop_assert!(codec.decompress(truncated, 1 << 20).is_err());
            compressed.push(0);
            prop_assert!(codec.decompress(&compressed, 1 << 20).is_err());
            compressed.pop();
            for (index, byte) in &noise {
                let index = index.index(compressed.len());
                compressed[index] ^= *byte;
            }
            // Damage may make another valid frame of it; the stored form's checksum is what tells.
            let _ = codec.decompress(&compressed, 1 << 20);
        }
    }
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    assert!(GzipCompressor::with_level(9).is_ok());
    let refused = GzipCompressor::with_level(10).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "gzip has no compression level 10: choose one from 0 to 9"
    );
    assert!(ZstdCompressor::with_level(-7).is_ok());
    assert!(ZstdCompressor::with_level(22).is_ok());
    assert!(ZstdCompressor::with_level(23).is_err());
}

/// Every backend reads what every other wrote, whatever it is configured with itself.
#[test]
fn compressors_at_every_level_read_each_other() {
    let text = long_text();
    for level in 0..=9 {
        let compressed = GzipCompressor::with_level(level)
            .unwrap()
            .compress(text.as_bytes())
            .unwrap();
        let payload = GZIP.decompress(&compressed, text.len());
        assert_eq!(payload.unwrap(), text.as_bytes());
    }
    for level in [-131_072, -1, 0, 1, 19, 22] {
        let compressed = ZstdCompressor::with_level(level)
            .unwrap()
            .compress(text.as_bytes())
            .unwrap();
        let payload = ZSTD.decompress(&compressed, text.len());
        assert_eq!(payload.unwrap(), text.as_bytes());
    }
}
