//! Which node of a cluster has which key.

use redis::Value;

use crate::{
    connection::node::NodeAddress,
    error::{Cause, Failure},
};

/// Slots of a cluster, by Redis's specification.
const SLOTS: u16 = 16_384;

/// The masters of a cluster and their slots. Empty as long as no node has told.
#[derive(Default)]
pub(crate) struct SlotMap {
    /// Sorted; no slot is in two.
    ranges: Vec<Range>,
}

struct Range {
    first: u16,
    last: u16,
    master: NodeAddress,
}

impl SlotMap {
    pub(crate) const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The master that has `slot`, if there is one.
    pub(crate) fn master_of(&self, slot: u16) -> Option<&NodeAddress> {
        let after = self.ranges.partition_point(|range| range.first <= slot);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= range.last).then_some(&range.master)
    }

    pub(crate) fn masters(&self) -> impl Iterator<Item = &NodeAddress> {
        self.ranges.iter().map(|range| &range.master)
    }

    /// What CLUSTER SLOTS replies: `[first, last, [host, port, ..], replicas ..]` for each range. A
    /// node that does not know its own name leaves it out; `asked` is what it was reached by.
    pub(crate) fn parse(reply: Value, asked: &str) -> Result<Self, Failure> {
        let Value::Array(ranges) = reply else {
            return Err(Cause::UnexpectedReply.into());
        };
        let mut ranges = ranges
            .into_iter()
            .map(|range| parse_range(range, asked).ok_or_else(|| Cause::UnexpectedReply.into()))
            .collect::<Result<Vec<_>, Failure>>()?;
        ranges.sort_unstable_by_key(|range| range.first);
        Ok(Self { ranges })
    }
}

fn parse_range(range: Value, asked: &str) -> Option<Range> {
    let Value::Array(fields) = range else {
        return None;
    };
    let [
        Value::Int(first),
        Value::Int(last),
        Value::Array(master),
        ..,
    ] = fields.as_slice()
    else {
        return None;
    };
    let [host, Value::Int(port), ..] = master.as_slice() else {
        return None;
    };
    let host = if *host == Value::Nil {
        asked
    } else if let Value::BulkString(name) = host {
        Some(str::from_utf8(name).ok()?)
            .filter(|name| !name.is_empty())
            .unwrap_or(asked)
    } else {
        return None;
    };
    Some(Range {
        first: u16::try_from(*first).ok()?,
        last: u16::try_from(*last).ok().filter(|last| *last < SLOTS)?,
        master: NodeAddress {
            host: host.to_owned(),
            port: u16::try_from(*port).ok()?,
        },
    })
}

/// The slot of a key: of the part between the first `{` and the next `}`, if there is one with
/// something in it.
pub(crate) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    crc16(tag.unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ POLYNOMIAL
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the server's `CLUSTER KEYSLOT`, and the check value of CRC-16/XMODEM.
    #[test]
    fn slots_are_those_of_the_server() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of("bar"), 5_061);
        assert_eq!(slot_of("{foo}.bar"), 12_182);
        assert_eq!(slot_of("{}foo"), crc16(b"{}foo") % SLOTS);
        assert_eq!(slot_of("a{foo"), crc16(b"a{foo") % SLOTS);
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let host = Value::BulkString(host.as_bytes().to_vec());
        let master = Value::Array(vec![host, Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    #[test]
    fn masters_are_found_by_slot_and_gaps_have_none() {
        let reply = vec![range(100, 200, "two", 2), range(0, 50, "", 1)];
        let map = SlotMap::parse(Value::Array(reply), "asked").unwrap();
        let host = |slot| map.master_of(slot).map(|master| master.host.as_str());
        assert_eq!([0, 50, 51].map(host), [Some("asked"), Some("asked"), None]);
        assert_eq!(
            [99, 100, 200, 201].map(host),
            [None, Some("two"), Some("two"), None]
        );
        assert_eq!(SlotMap::default().master_of(0), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 70_000, "host", 1)]),
            Value::Array(vec![range(-1, 0, "host", 1)]),
            Value::Array(vec![range(0, 1, "host", 70_000)]),
        ] {
            assert!(SlotMap::parse(nonsense, "asked").is_err());
        }
    }
}
