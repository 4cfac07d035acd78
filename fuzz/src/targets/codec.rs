//! What must hold for every compressor.

use fastrand::Rng;
use hitbox_backend::{Compressor, compression::CompressionError};

use super::named;
use crate::{Observed, Seed};

/// For decompressed payloads: less than what the codecs like to make room for.
const LIMIT: usize = 64 * 1024;

/// Compressing takes longer than all else here.
const COMPRESSED_AGAIN: usize = 1_024;

pub(super) fn run(codec: &dyn Compressor, compressed: &[u8]) -> Observed {
    let mut observed = Observed::default();
    let payload = observed
        .bounded(LIMIT, || codec.decompress(compressed, LIMIT))
        .ok();
    observed.count(payload.as_ref());
    if let Some(payload) = payload {
        assert!(payload.len() <= LIMIT, "{} bytes", payload.len());
        stops_at_the_limit(codec, compressed, &payload);
        if payload.len() <= COMPRESSED_AGAIN {
            comes_back(codec, &payload);
        }
    }
    observed
}

fn stops_at_the_limit(codec: &dyn Compressor, compressed: &[u8], payload: &[u8]) {
    // Not every frame passes at the length of its content: one may ask for a larger window.
    if let Ok(again) = codec.decompress(compressed, payload.len()) {
        assert!(again == payload, "another payload at another limit");
    }
    if let Some(less) = payload.len().checked_sub(1) {
        let outcome = codec.decompress(compressed, less);
        assert!(
            outcome.is_err(),
            "{} bytes under a limit of {less}",
            payload.len()
        );
    }
}

fn comes_back(codec: &dyn Compressor, payload: &[u8]) {
    let again = codec
        .compress(payload)
        .and_then(|compressed| codec.decompress(&compressed, payload.len()))
        .unwrap_or_else(|error: CompressionError| panic!("no round trip: {error}"));
    assert!(again == payload, "another payload after a round trip");
}

/// Now and then the input as the content of a valid frame, so that all kinds of content are read.
pub(super) fn wrap(codec: &dyn Compressor, input: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    if random.u8(0..16) > 0 {
        return input;
    }
    let mut frame = codec.compress(&input).unwrap_or(input);
    if random.bool()
        && let Some(byte) = random.choice(&mut frame)
    {
        *byte ^= 1 << random.u8(0..8);
    }
    frame
}

/// Frames that the codec writes.
pub(super) fn seeds(codec: &dyn Compressor) -> Vec<Seed> {
    let mut random = Rng::with_seed(1);
    let noise: Vec<u8> = (0..300).map(|_| random.u8(..)).collect();
    let text = b"All work and no cache makes a dull service. ".repeat(20);
    named(
        [
            ("empty", Vec::new()),
            ("one-byte", vec![7]),
            ("text", text),
            ("noise", noise),
            ("zeros-at-the-limit", vec![0; LIMIT]),
            ("bomb", vec![0; 1 << 20]),
        ]
        .map(|(name, payload)| (name, compressed(codec, &payload))),
    )
}

pub(super) fn compressed(codec: &dyn Compressor, payload: &[u8]) -> Vec<u8> {
    codec
        .compress(payload)
        .unwrap_or_else(|error| panic!("a seed that cannot be compressed: {error}"))
}
