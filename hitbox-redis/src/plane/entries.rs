//! Entries of a stream, as the server replies them.

use bytes::Bytes;
use hitbox_backend::{
    LogMark,
    coherence::{Mark, News, news_form},
    tags::Invalidated,
};
use redis::Value;

use crate::{announcer::FIELD, place::place_of};

/// An entry, whoever has added it.
pub(super) struct Entry {
    id: Vec<u8>,
    /// Names and values.
    fields: Vec<Vec<u8>>,
}

impl Entry {
    /// What XRANGE, XREVRANGE and each stream of XREAD reply.
    pub(super) fn all(reply: Value) -> Option<Vec<Self>> {
        array(reply)?.into_iter().map(Self::of).collect()
    }

    fn of(entry: Value) -> Option<Self> {
        let [id, fields] = array(entry)?.try_into().ok()?;
        let fields = array(fields)?.into_iter().map(string);
        Some(Self {
            id: string(id)?,
            fields: fields.collect::<Option<_>>()?,
        })
    }

    /// One that was added with this id, and has this field.
    pub(super) fn added(id: Value, entry: Vec<u8>) -> Option<Self> {
        Some(Self {
            id: string(id)?,
            fields: vec![FIELD.into(), entry],
        })
    }

    /// What it says; `None` where it cannot be read.
    pub(super) fn news(&self) -> Option<Vec<News>> {
        match self.fields.as_slice() {
            [name, entry] if name.as_slice() == FIELD.as_bytes() => {
                let news = news_form::decode(entry).ok()?;
                let place = self.place()?;
                Some(news.into_iter().map(|news| placed(news, place)).collect())
            }
            _ => None,
        }
    }

    /// Its id as a number; `None` if it is none.
    pub(super) fn place(&self) -> Option<LogMark> {
        place_of(&self.id)
    }

    /// The whole of it: another stream may come to have an entry of the same id.
    pub(super) fn mark(&self) -> Mark {
        let strings = [&self.id].into_iter().chain(&self.fields);
        let mut mark = Vec::new();
        for string in strings {
            mark.extend_from_slice(&(string.len() as u64).to_le_bytes());
            mark.extend_from_slice(string);
        }
        Mark::new(Bytes::from(mark))
    }
}

fn placed(news: News, place: LogMark) -> News {
    match news {
        News::Invalidated(news) => News::Invalidated(Invalidated {
            mark: place,
            ..news
        }),
        other @ (News::Changed { .. } | _) => other,
    }
}

/// The id of the entry that a mark is.
pub(super) fn id_of(mark: &Mark) -> Option<&[u8]> {
    let (length, rest) = mark.as_bytes().split_first_chunk()?;
    rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

fn array(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(values) = value {
        Some(values)
    } else {
        None
    }
}

fn string(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value {
        Some(bytes)
    } else {
        None
    }
}
