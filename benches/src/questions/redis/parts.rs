//! The same with both parts alone: what is left is what the composition costs, and what is not, no
//! composition of them could save.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use tokio::runtime::Runtime;

use super::{
    KEYS, LAP, MANY, Operation,
    client::{Client, Stage},
    in_tasks,
};
use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{self, Body, Size, Text},
    floor::{RawMoka, raw_moka},
    keys, runtime,
};

/// An operation whose L1 has a share in it.
#[derive(Clone, Copy, Debug)]
enum Parts {
    GetAndInsert,
    GetAndGet,
    SetAndInsert,
}

impl Parts {
    const EACH: [Self; 3] = [Self::GetAndInsert, Self::GetAndGet, Self::SetAndInsert];

    const fn operation(self) -> Operation {
        match self {
            Self::GetAndInsert => Operation::ReadAndRefill,
            Self::GetAndGet => Operation::ParallelRead,
            Self::SetAndInsert => Operation::Write,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::GetAndInsert => "GET and moka's insert",
            Self::GetAndGet => "GET and moka's get",
            Self::SetAndInsert => "SET and moka's insert",
        }
    }

    fn runner<T: Body>(
        self,
        runtime: &Rc<Runtime>,
        client: Client,
        size: Size,
    ) -> Result<Runner, Failure> {
        let l1 = raw_moka(2 * KEYS as u64);
        let body = T::new(0, size);
        let encoded = bodies::encoded(&body)?;
        match self {
            Self::GetAndInsert | Self::SetAndInsert => {}
            Self::GetAndGet => runtime.block_on(async {
                for key in keys::texts(KEYS) {
                    l1.insert(key, encoded.clone()).await;
                }
            }),
        }
        client.fill::<T>(runtime, size)?;
        let shared = Arc::new((client, l1.clone(), keys::texts(KEYS), body));
        let runner = in_tasks(runtime, MANY, move |index| {
            let shared = Arc::clone(&shared);
            async move {
                let (client, l1, keys, body) = &*shared;
                let index = index % KEYS;
                self.once(client.clone(), l1, &keys[index], index, body)
                    .await
            }
        });
        Ok(match self {
            Self::GetAndInsert => {
                let runtime = Rc::clone(runtime);
                runner.prepared(KEYS as u64, move || {
                    l1.invalidate_all();
                    runtime.block_on(l1.run_pending_tasks());
                    Ok(())
                })
            }
            Self::GetAndGet | Self::SetAndInsert => runner,
        })
    }

    async fn once<T: Body>(
        self,
        mut client: Client,
        l1: &RawMoka,
        key: &Arc<str>,
        index: usize,
        body: &T,
    ) -> Result<(), Failure> {
        match self {
            Self::GetAndInsert => {
                if l1.get(key).await.is_some() {
                    return Err("a hit in L1".into());
                }
                let found: Vec<u8> = client.get(index).await?;
                l1.insert(Arc::clone(key), Bytes::from(found)).await;
            }
            Self::GetAndGet => {
                std::hint::black_box(&l1.get(key).await.ok_or("a miss")?);
                let found: Vec<u8> = client.get(index).await?;
                std::hint::black_box(&found);
            }
            Self::SetAndInsert => {
                let encoded = bodies::encoded(body)?;
                l1.insert(Arc::clone(key), encoded.clone()).await;
                client.set(index, &encoded).await?;
            }
        }
        Ok(())
    }

    fn case(self, size: Size) -> Case {
        let (operation, parts) = (self.operation().name(), self.name());
        let name = format!("redis/{operation}, against {parts}/{MANY} tasks/{size} String");
        let case = Case::contest(name, move || {
            let stage = Stage::new(runtime()?)?;
            let ours = self.operation().ours::<Text>(&stage, MANY, size)?;
            let floor = self.runner::<Text>(&stage.runtime, stage.raw()?, size)?;
            Ok(Contest::between(ours, floor).in_chunks_of(LAP))
        });
        case.as_throughput().counts(Counts::Nothing).quick_at(size)
    }
}

pub(super) fn cases() -> Vec<Case> {
    let of_size = |size| Parts::EACH.map(|parts| parts.case(size));
    Size::USUAL.into_iter().flat_map(of_size).collect()
}
