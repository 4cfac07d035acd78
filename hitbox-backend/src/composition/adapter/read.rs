//! A read of one key by a policy that is one future.

use hitbox_core::{BoxContext, CacheKey, CacheValue, Offload, Raw, Wants, clock::Moment};

use super::watched::{Record, Watched};
use crate::{
    Backend,
    composition::{
        CompositionBackend, CompositionLayer, CompositionReadPolicy, RefillPolicy,
        background::Background,
        layers::LayerAccess,
        member::Provided,
        read::{Ended, Hit, Noted, Settled, Standing},
    },
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: Sync,
{
    pub(in crate::composition) async fn read_by_future(
        &self,
        key: &CacheKey,
        mut context: BoxContext,
    ) -> Noted {
        let background = Background::new(&*self.offload);
        let layers = (self.first(), self.second());
        let ended = self
            .decide_by_future(key, &context, layers, &background)
            .await;
        background.hand_over(&self.layers.fences);
        let moment = Moment::default();
        match self.settle_one(key, ended, &mut context, &moment) {
            Settled::Ready(outcome) => (outcome, context),
            Settled::Pending(rest) => rest.await,
        }
    }

    /// Runs the policy to its end.
    pub(super) async fn decide_by_future<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &BoxContext,
        (l1, l2): (A, B),
        background: &Background<'_, O>,
    ) -> Ended {
        let (snapshot, wants) = (self.layers.fences.snapshot(key), context.wants());
        let record = Record::default();
        let watched_l1 = Watched::new(l1, &self.layers, snapshot, wants, &record);
        let watched_l2 = Watched::new(l2, &self.layers, snapshot, wants, &record);
        // The key that a policy passes on is not looked at: what is known of the layers is known of this one.
        let read_l1 = {
            let (key, context, watched) = (key.clone(), context.clone(), watched_l1.clone());
            move |_| watched.read(key, context)
        };
        let read_l2 = {
            let (key, context, watched) = (key.clone(), context.clone(), watched_l2.clone());
            move |_| watched.read(key, context)
        };
        let background = background.of(key);
        let policy = &self.read;
        let result = policy
            .execute_with(key.clone(), read_l1, read_l2, &background)
            .await;
        let found = match result {
            Ok(result) => {
                let chosen = record.lock().hit_of(result);
                let layers = (&watched_l1, &watched_l2);
                Ok(self.usable(key, context, chosen, layers, &record).await)
            }
            Err(error) => Err(error),
        };
        let found = match found {
            Ok(Some(hit)) => Ok(Some(hit)),
            nothing => match self.last_resort(key, wants, &record) {
                Some(hit) => Ok(Some(hit)),
                None => nothing,
            },
        };
        let mut told = record.lock();
        let repairs = self.layers.rules.refill == RefillPolicy::Repair;
        Ended {
            found,
            in_l1: told.value(CompositionLayer::L1).map(CacheValue::created),
            failures: told.decided(),
            snapshot,
            seen: if repairs { told.seen() } else { [None, None] },
        }
    }

    /// What the policy has chosen, if the reader can use it; else what the other layer has.
    async fn usable<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        context: &BoxContext,
        chosen: Option<Hit<Raw>>,
        (l1, l2): (&Watched<A, L1, L2>, &Watched<B, L1, L2>),
        record: &Record,
    ) -> Option<Hit<Raw>> {
        let chosen = chosen?;
        let other = chosen.layer.other();
        let usable = self.provide(key, chosen, context.wants(), record);
        if usable.is_some() {
            return usable;
        }
        let has_answered = record.lock().has_answered(other);
        if !has_answered {
            let (key, context) = (key.clone(), context.clone());
            let _noted_in_the_record = match other {
                CompositionLayer::L1 => l1.clone().read(key, context).await,
                CompositionLayer::L2 => l2.clone().read(key, context).await,
            };
        }
        let others = record.lock().hit_in(other)?;
        self.provide(key, others, context.wants(), record)
    }

    /// The newest value that is a last resort, if the reader can use it; else the other one; else an object of
    /// another type.
    fn last_resort(&self, key: &CacheKey, wants: Wants, record: &Record) -> Option<Hit<Raw>> {
        loop {
            let hit = record.lock().last_resort()?;
            if hit.standing == Standing::OfAnotherType {
                return Some(hit);
            }
            let usable = self.provide(key, hit, wants, record);
            if usable.is_some() {
                return usable;
            }
        }
    }

    /// The hit with the object that the reader wants, if that can be had.
    fn provide(
        &self,
        key: &CacheKey,
        mut hit: Hit<Raw>,
        wants: Wants,
        record: &Record,
    ) -> Option<Hit<Raw>> {
        match self.layers.provide(hit.layer, key, &mut hit.value, wants) {
            Provided::Usable => return Some(hit),
            Provided::OfAnotherType => record.lock().set_aside(hit.layer),
            Provided::Rejected => record.lock().reject(hit.layer),
        }
        None
    }
}
