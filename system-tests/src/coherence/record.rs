//! What a process writes down of what it does, for whoever checks it afterwards: one record for each operation that has
//! ended, in a file of its own. So a process that is killed has told of what it did before, and checking costs those that
//! run nothing.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use rustix::time::{ClockId, clock_gettime};

/// The time in nanoseconds by a clock that all processes of a machine share, and that nobody sets.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    // No machine has been up for a negative time.
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A read that an L1 has answered.
    Hit,
    /// A read that the store has answered.
    Fetched,
    /// A read that nobody has answered, be it that there is nothing or that nothing is known.
    Missed,
    /// A write or a remove that has been confirmed.
    Changed,
    /// One that has failed, and may take effect all the same.
    InDoubt,
}

impl Act {
    const ALL: [Self; 5] = [
        Self::Hit,
        Self::Fetched,
        Self::Missed,
        Self::Changed,
        Self::InDoubt,
    ];
}

/// An operation that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) act: Act,
    pub(super) key: u16,
    /// Which of the key's, of which each change makes a new one; 0 for a read that nobody has answered.
    pub(super) version: u32,
    /// By [`now`].
    pub(super) began: u64,
    pub(super) ended: u64,
}

const LENGTH: usize = 24;

impl Record {
    fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&self.began.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.ended.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.version.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.key.to_le_bytes());
        bytes[22] = self.act as u8;
        bytes
    }

    fn from_bytes(bytes: &[u8; LENGTH]) -> io::Result<Self> {
        let act = Act::ALL.get(usize::from(bytes[22]));
        let act = *act.ok_or_else(|| io::Error::other("a record of nothing that is known"))?;
        let mut reader = &bytes[..];
        Ok(Self {
            began: u64::from_le_bytes(take(&mut reader)?),
            ended: u64::from_le_bytes(take(&mut reader)?),
            version: u32::from_le_bytes(take(&mut reader)?),
            key: u16::from_le_bytes(take(&mut reader)?),
            act,
        })
    }
}

fn take<const N: usize>(reader: &mut &[u8]) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The file of one process, which it writes to.
pub(super) struct Journal(Mutex<BufWriter<File>>);

impl Journal {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(BufWriter::new(File::create(path)?))))
    }

    /// A read is written down some time, a change at once: without the time when it was confirmed nothing could be held
    /// against it.
    pub(super) fn add(&self, record: Record) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&record.to_bytes())?;
        match record.act {
            Act::Hit | Act::Fetched | Act::Missed => Ok(()),
            Act::Changed | Act::InDoubt => file.flush(),
        }
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

/// All records of a file, in their order. One that was being written when the process was killed is none.
pub(super) fn read(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Record>>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    Ok(std::iter::from_fn(move || {
        let mut bytes = [0; LENGTH];
        match file.read_exact(&mut bytes) {
            Ok(()) => Some(Record::from_bytes(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_down_is_read_up_to_where_it_breaks_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let records = Act::ALL.map(|act| Record {
            act,
            key: 7,
            version: 1_000_001,
            began: now(),
            ended: now(),
        });
        let journal = Journal::create(&path).unwrap();
        for record in records {
            journal.add(record).unwrap();
        }
        journal.flush().unwrap();
        let found: Vec<_> = read(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, records);
        let mut bytes = fs::read(&path).unwrap();
        bytes.pop();
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path).unwrap().count(), records.len() - 1);
    }
}
