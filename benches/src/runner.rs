use std::{fmt, rc::Rc};

use tokio::runtime::Runtime;

use crate::Failure;

/// Carries out an operation as often as it is told to.
pub struct Runner {
    run: Box<dyn FnMut(u64) -> Result<(), Failure>>,
    prepare: Option<Prepare>,
}

struct Prepare {
    /// How often the operation can be carried out after one preparation.
    most: u64,
    run: Box<dyn FnMut() -> Result<(), Failure>>,
}

impl Runner {
    /// A runner that carries out the operation `times` times when it is called with `times`.
    pub fn new(run: impl FnMut(u64) -> Result<(), Failure> + 'static) -> Self {
        Self {
            run: Box::new(run),
            prepare: None,
        }
    }

    /// A runner that carries out `once`, over and over.
    pub fn repeating(
        runtime: &Rc<Runtime>,
        mut once: impl AsyncFnMut() -> Result<(), Failure> + 'static,
    ) -> Self {
        let runtime = Rc::clone(runtime);
        Self::new(move |times| {
            runtime.block_on(async {
                for _ in 0..times {
                    once().await?;
                }
                Ok(())
            })
        })
    }

    /// The same, with `prepare` called before each up to `most` operations. It is not measured.
    #[must_use]
    pub fn prepared(
        mut self,
        most: u64,
        prepare: impl FnMut() -> Result<(), Failure> + 'static,
    ) -> Self {
        self.prepare = Some(Prepare {
            most,
            run: Box::new(prepare),
        });
        self
    }

    /// How many operations can be carried out, and measured, in one go.
    pub(crate) fn most(&self) -> u64 {
        self.prepare
            .as_ref()
            .map_or(u64::MAX, |prepare| prepare.most)
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Failure> {
        match &mut self.prepare {
            Some(prepare) => (prepare.run)(),
            None => Ok(()),
        }
    }

    /// Carries out the operation `times` times, no more than [`most`](Self::most).
    pub(crate) fn run(&mut self, times: u64) -> Result<(), Failure> {
        (self.run)(times)
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("most", &self.most())
            .finish_non_exhaustive()
    }
}

/// A runtime for the operations of a case, on the thread that measures them.
///
/// # Errors
///
/// If it cannot be made.
pub fn runtime() -> Result<Rc<Runtime>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(Rc::new(runtime))
}
