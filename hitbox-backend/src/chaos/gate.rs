use tokio::sync::watch;

/// Where operations hang until they are let go.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    state: watch::Sender<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    hanging: usize,
    releases: u64,
}

/// How often the gate had been opened when an operation was told to hang: an opening that comes
/// before the operation has reached the gate must still let it through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(Waiting::default()),
        }
    }

    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.state.borrow().releases)
    }

    /// Hangs until the gate is opened after `ticket` was drawn.
    pub(crate) async fn wait(&self, ticket: Ticket) {
        let mut state = self.state.subscribe();
        let _hanging = Hanging::begin(self);
        // Fails only when the sender is gone, and `self` is one.
        let _state = state.wait_for(|state| state.releases > ticket.0).await;
    }

    /// Lets go whatever holds a ticket.
    pub(crate) fn release(&self) {
        self.state.send_modify(|state| state.releases += 1);
    }

    pub(crate) fn hanging(&self) -> usize {
        self.state.borrow().hanging
    }

    pub(crate) async fn wait_until_hanging(&self, count: usize) {
        let mut state = self.state.subscribe();
        let _state = state.wait_for(|state| state.hanging >= count).await;
    }
}

/// Counts an operation as hanging for as long as it lives, so that a dropped one is not counted.
struct Hanging<'g>(&'g Gate);

impl<'g> Hanging<'g> {
    fn begin(gate: &'g Gate) -> Self {
        gate.state.send_modify(|state| state.hanging += 1);
        Self(gate)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.hanging -= 1);
    }
}
