//! Types of the standard library that have a form of their own.

use std::{
    ffi::{CString, OsString},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    ops::{Bound, Range, RangeFrom, RangeInclusive, RangeTo},
    path::PathBuf,
    time::{Duration, SystemTime},
};

fn four() -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1)
}

pairs! {
    duration_as_struct: [Same, Same] (Duration) => { struct T { secs: u64, nanos: u32 } }, Duration::new(1, 2);
    duration_as_tuple: [Miss, Miss] (Duration) => ((u64, u32)), Duration::new(1, 2);
    tuple_as_duration: [Miss, Miss] ((u64, u32)) => (Duration), (1, 2);
    duration_as_time: [Miss, Miss] (Duration) => (SystemTime), Duration::new(1, 2);
    duration_as_seconds: [Miss, Miss] (Duration) => (u64), Duration::new(1, 0);
    duration_turned: [Miss, Same] (Duration) => { struct T { nanos: u32, secs: u64 } }, Duration::new(1, 2);
    struct_as_duration: [Refused, Miss] { struct T { secs: u64, nanos: u32 } } => (Duration), T { secs: u64::MAX, nanos: u32::MAX };
    time_as_struct: [Same, Same] (SystemTime) => { struct T { secs_since_epoch: u64, nanos_since_epoch: u32 } }, SystemTime::UNIX_EPOCH;
    four_as_bytes: [Same, Miss] (Ipv4Addr) => ([u8; 4]), four();
    four_as_number: [Miss, Miss] (Ipv4Addr) => (u32), four();
    four_as_text: [Miss, Same] (Ipv4Addr) => (String), four();
    four_as_either: [Miss, Same] (Ipv4Addr) => (IpAddr), four();
    four_as_six: [Miss, Miss] (Ipv4Addr) => (Ipv6Addr), four();
    six_as_number: [Miss, Miss] (Ipv6Addr) => (u128), Ipv6Addr::LOCALHOST;
    six_as_bytes: [Same, Miss] (Ipv6Addr) => ([u8; 16]), Ipv6Addr::LOCALHOST;
    address_as_enum: [Same, Miss] (IpAddr) => { enum T { V4([u8; 4]), V6([u8; 16]) } }, four().into();
    address_as_turned_enum: [Miss, Miss] (IpAddr) => { enum T { V6([u8; 16]), V4([u8; 4]) } }, four().into();
    address_with_port: [Miss, Miss] (IpAddr) => (SocketAddr), four().into();
    socket_four_as_either: [Miss, Same] (SocketAddrV4) => (SocketAddr), SocketAddrV4::new(four(), 80);
    socket_four_as_tuple: [Same, Miss] (SocketAddrV4) => ((Ipv4Addr, u16)), SocketAddrV4::new(four(), 80);
    socket_four_as_six: [Miss, Miss] (SocketAddrV4) => (SocketAddrV6), SocketAddrV4::new(four(), 80);
    range_of_wider: [Miss, Same] (Range<u32>) => (Range<u64>), 1..3;
    range_as_struct: [Same, Same] (Range<u32>) => { struct T { start: u32, end: u32 } }, 1..3;
    range_as_tuple: [Miss, Miss] (Range<u32>) => ((u32, u32)), 1..3;
    range_turned: [Miss, Same] (Range<u32>) => { struct T { end: u32, start: u32 } }, 1..3;
    range_from_as_to: [Miss, Miss] (RangeFrom<u32>) => (RangeTo<u32>), 1..;
    range_from_as_value: [Miss, Miss] (RangeFrom<u32>) => (u32), 1..;
    inclusive_of_other: [Miss, Same] (RangeInclusive<u32>) => (RangeInclusive<i32>), 1..=3;
    bound_of_other: [Miss, Same] (Bound<u32>) => (Bound<u64>), Bound::Included(1);
    bound_as_enum: [Same, Same] (Bound<u32>) => { enum T { Unbounded, Included(u32), Excluded(u32) } }, Bound::Excluded(1);
    bound_as_turned_enum: [Miss, Same] (Bound<u32>) => { enum T { Unbounded, Excluded(u32), Included(u32) } }, Bound::Excluded(1);
    bound_as_option: [Miss, Miss] (Bound<u32>) => (Option<u32>), Bound::Included(1);
    path_as_text: [Same, Same] (PathBuf) => (String), "/tmp".into();
    path_as_os_text: [Miss, Miss] (PathBuf) => (OsString), "/tmp".into();
    os_text_as_text: [Miss, Miss] (OsString) => (String), "a".into();
    os_text_as_c_text: [Miss, Miss] (OsString) => (CString), "a".into();
    c_text_as_path: [Miss, Miss] (CString) => (PathBuf), c"a".into();
}
