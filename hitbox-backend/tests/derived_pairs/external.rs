//! Types of crates that many services keep in a cache.

use chrono::{
    DateTime, FixedOffset, Month, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
    Weekday,
};
use uuid::Uuid;

use crate::scalars::Bytes;

fn time() -> DateTime<Utc> {
    Utc.timestamp_opt(1_767_225_600, 0).unwrap()
}

fn id() -> Uuid {
    Uuid::from_u128(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF)
}

pairs! {
    time_as_text: [Same, Same] (DateTime<Utc>) => (String), time();
    time_as_number: [Miss, Miss] (DateTime<Utc>) => (i64), time();
    time_at_other_offset: [Same, Same] (DateTime<Utc>) => (DateTime<FixedOffset>), time();
    time_without_zone: [Refused, Miss] (NaiveDateTime) => (DateTime<Utc>), time().naive_utc();
    time_in_field: [Miss, Same] { struct T { id: u8, at: DateTime<Utc> } } => { struct T { at: DateTime<Utc>, id: u8 } },
        T { id: 1, at: time() };
    time_in_seconds: [Same, Same] { struct T { #[serde(with = "chrono::serde::ts_seconds")] at: DateTime<Utc> } }
        => { struct T { at: i64 } }, T { at: time() };
    time_in_seconds_as_text: [Miss, Miss] { struct T { #[serde(with = "chrono::serde::ts_seconds")] at: DateTime<Utc> } }
        => { struct T { at: DateTime<Utc> } }, T { at: time() };
    optional_time_in_seconds: [Miss, Same]
        { struct T { #[serde(with = "chrono::serde::ts_seconds_option")] at: Option<DateTime<Utc>> } }
        => { struct T { #[serde(with = "chrono::serde::ts_seconds")] at: DateTime<Utc> } }, T { at: Some(time()) };
    date_as_time: [Refused, Miss] (NaiveDate) => (NaiveDateTime), time().date_naive();
    clock_as_date: [Refused, Miss] (NaiveTime) => (NaiveDate), NaiveTime::MIN;
    weekday_as_month: [Refused, Miss] (Weekday) => (Month), Weekday::Tue;
    time_span_as_pair: [Same, Same] (TimeDelta) => ((i64, i32)), TimeDelta::seconds(7);
    time_span_as_other: [Miss, Same] (TimeDelta) => ((i64, i64)), TimeDelta::seconds(7);
    id_as_text: [Miss, Same] (Uuid) => (String), id();
    id_as_array: [Miss, Miss] (Uuid) => ([u8; 16]), id();
    id_as_number: [Miss, Miss] (Uuid) => (u128), id();
    id_as_numbers: [Miss, Miss] (Uuid) => (Vec<u8>), id();
    id_of_too_few_bytes: [Refused, Miss] (Bytes) => (Uuid), Bytes(vec![1, 2]);
    id_in_field: [Miss, Same] { struct T { of: Uuid, to: Uuid } } => { struct T { to: Uuid, of: Uuid } },
        T { of: id(), to: Uuid::nil() };
    id_as_simple_text: [Miss, Miss] { struct T { of: Uuid } }
        => { struct T { #[serde(with = "uuid::serde::simple")] of: Uuid } }, T { of: id() };
}
