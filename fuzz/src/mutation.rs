//! Changes to an input that know nothing of what it means.

use fastrand::Rng;

/// Inputs do not grow beyond this, in bytes: what is wrong with longer ones mostly is with these.
pub(crate) const LONGEST: usize = 4_096;

const INTERESTING: [u64; 18] = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFA,
    0xFB,
    0xFC,
    0xFD,
    0xFF,
    0x100,
    0x7FFF,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    i64::MAX as u64,
    u64::MAX,
];

/// One of the inputs, changed one to several times.
pub(crate) fn mutated(inputs: &[Vec<u8>], tokens: &[&[u8]], random: &mut Rng) -> Vec<u8> {
    let mut input = random.choice(inputs).cloned().unwrap_or_default();
    // Mostly few: an input with many changes fails at the first.
    for _ in 0..1 << random.u32(0..4) {
        mutate(&mut input, inputs, tokens, random);
    }
    input.truncate(LONGEST);
    input
}

fn mutate(input: &mut Vec<u8>, inputs: &[Vec<u8>], tokens: &[&[u8]], random: &mut Rng) {
    let at = random.usize(0..=input.len());
    match random.u8(0..11) {
        0..3 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.u8(0..8);
            }
        }
        3 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.u8(..);
            }
        }
        4 => overwrite(input, at, &integer(random)),
        5 => insert(input, at, &integer(random)),
        6 => input.truncate(at),
        7 => {
            let end = (at + random.usize(1..=16)).min(input.len());
            input.drain(at..end);
        }
        8 => {
            let end = (at + random.usize(1..=64)).min(input.len());
            let copied = input[at..end].to_vec();
            let to = random.usize(0..=input.len());
            insert(input, to, &copied);
        }
        9 => {
            if let Some(other) = random.choice(inputs) {
                let from = random.usize(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        _ => {
            if let Some(token) = random.choice(tokens) {
                insert(input, at, token);
            }
        }
    }
}

/// An integer that code is often wrong about, in one of the ways to write it.
fn integer(random: &mut Rng) -> Vec<u8> {
    let number = random.choice(INTERESTING).unwrap_or_default();
    let width = 1_usize << random.u32(0..4);
    if random.bool() {
        number.to_le_bytes()[..width].to_vec()
    } else {
        number.to_be_bytes()[8 - width..].to_vec()
    }
}

fn overwrite(input: &mut [u8], at: usize, bytes: &[u8]) {
    let room = &mut input[at..];
    let length = room.len().min(bytes.len());
    room[..length].copy_from_slice(&bytes[..length]);
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}
