//! What must hold when a run is over.

use hitbox_backend::{
    Backend, CompositionLayer, CompositionReadPolicy, CompositionWritePolicy, RepairCause,
};
use hitbox_core::Stamp;

use crate::composition::interleavings::{
    gates::Failure,
    run::{Act, Age, Form, InOrder, Repairs, Run, Writes},
};

impl<R, W> Run<R, W>
where
    R: CompositionReadPolicy + 'static,
    W: CompositionWritePolicy + 'static,
{
    /// What is left when all is done: reads are right, and what a layer holds is not older than
    /// what has settled unless the layer is on record for it.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.add(Act::Read(Form::Single));
        self.finish(&mut InOrder);
        self.history.check()?;
        self.check_what_layers_hold()?;
        match self.repairs {
            Repairs::Never => {}
            Repairs::ByReads | Repairs::InBackground(_) => self.check_each_layer_by_itself()?,
        }
        self.check_that_debts_end()?;
        self.check_that_a_write_heals()
    }

    fn held(&self, layer: CompositionLayer) -> Option<Stamp> {
        let memory = match layer {
            CompositionLayer::L1 => &self.cache.l1().memory,
            CompositionLayer::L2 => &self.cache.l2().memory,
        };
        let held = futures::executor::block_on(memory.read(&self.key)).unwrap();
        held.map(|held| held.created())
    }

    /// Nothing older than what has settled, unless the layer is on record for it.
    fn check_what_layers_hold(&self) -> Result<(), String> {
        let floor = self.history.floor();
        let pending = self.cache.pending_repairs();
        for layer in CompositionLayer::BOTH {
            let is_pending = pending.iter().any(|pending| pending.layer == layer);
            if let Some(held) = self.held(layer)
                && held < floor
                && !is_pending
            {
                return Err(format!(
                    "{layer} holds {held} though {floor} has settled, and is not on record: {}",
                    self.history.to_text()
                ));
            }
        }
        Ok(())
    }

    /// What a layer is trusted with shows when the other one does not answer.
    fn check_each_layer_by_itself(&mut self) -> Result<(), String> {
        self.gates.allow_deferrals(0);
        for layer in CompositionLayer::BOTH {
            self.fail_next(Act::Read(Form::Single), layer.other(), Failure::Lost);
            self.add(Act::Read(Form::Single));
            self.finish(&mut InOrder);
            self.gates.clear_script();
        }
        self.history.check()
    }

    /// Repairs that nothing disturbs any more leave nothing pending.
    fn check_that_debts_end(&mut self) -> Result<(), String> {
        match self.repairs {
            Repairs::Never | Repairs::ByReads => return Ok(()),
            Repairs::InBackground(_) => self.gates.allow_deferrals(8),
        }
        // A read that meets a pending repair which nobody makes calls for it.
        self.add(Act::Read(Form::Single));
        self.finish(&mut InOrder);
        if self.unconfirmed() > 0 {
            return Err(format!(
                "repairs stay pending: {:?}",
                self.cache.pending_repairs()
            ));
        }
        self.check_what_layers_hold()?;
        self.check_each_layer_by_itself()
    }

    fn unconfirmed(&self) -> usize {
        let pending = self.cache.pending_repairs();
        let unconfirmed = pending
            .iter()
            .filter(|pending| pending.cause == RepairCause::Unconfirmed);
        unconfirmed.count()
    }

    /// Whatever happened: a write that succeeds in both layers is read afterwards, and nothing is
    /// pending any more.
    fn check_that_a_write_heals(&mut self) -> Result<(), String> {
        self.add(Act::Write(Age::New, Form::Single));
        self.finish(&mut InOrder);
        let floor = self.history.floor();
        let lacking = CompositionLayer::BOTH
            .into_iter()
            .filter(|layer| self.held(*layer) != Some(floor))
            .count();
        let pending = self.unconfirmed();
        match self.writes {
            Writes::BothLayers if pending > 0 || lacking > 0 => {
                return Err(format!(
                    "after a write {pending} layers have not confirmed and {lacking} lack its value"
                ));
            }
            Writes::OneLayer if pending != 1 || lacking > 1 => {
                return Err(format!(
                    "after a write of one layer {pending} have not confirmed and {lacking} lack it"
                ));
            }
            Writes::BothLayers | Writes::OneLayer => {}
        }
        self.add(Act::Read(Form::Single));
        self.finish(&mut InOrder);
        match self.history.last_found() {
            Some(found) if found == floor => self.history.check(),
            found => Err(format!(
                "the value of the last write, {floor}, is not read but {found:?}"
            )),
        }
    }
}
