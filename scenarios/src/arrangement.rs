use std::fmt;

/// A read policy of compositions, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadKind {
    /// [`SequentialReadPolicy`](hitbox_backend::SequentialReadPolicy).
    Sequential,
    /// [`RaceReadPolicy`](hitbox_backend::RaceReadPolicy).
    Race,
    /// [`ParallelReadPolicy`](hitbox_backend::ParallelReadPolicy).
    Parallel,
}

impl ReadKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Sequential, Self::Race, Self::Parallel];

    /// `sequential`, `race` or `parallel`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Race => "race",
            Self::Parallel => "parallel",
        }
    }
}

/// A write policy of compositions, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// [`SequentialWritePolicy`](hitbox_backend::SequentialWritePolicy).
    Sequential,
    /// [`OptimisticParallelWritePolicy`](hitbox_backend::OptimisticParallelWritePolicy).
    OptimisticParallel,
    /// [`RaceWritePolicy`](hitbox_backend::RaceWritePolicy).
    Race,
    /// [`StrictWritePolicy`](hitbox_backend::StrictWritePolicy).
    Strict,
}

impl WriteKind {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Sequential,
        Self::OptimisticParallel,
        Self::Race,
        Self::Strict,
    ];

    /// `sequential`, `optimistic`, `race` or `strict`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::OptimisticParallel => "optimistic",
            Self::Race => "race",
            Self::Strict => "strict",
        }
    }
}

/// How the composition knows its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By their own types.
    Static,
    /// As `Arc<dyn Backend>`.
    Dyn,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Static, Self::Dyn];

    /// `static` or `dyn`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dyn => "dyn",
        }
    }
}

/// A way to compose two layers. Its `Display` form is `read/write/mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrangement {
    /// The read policy.
    pub read: ReadKind,
    /// The write policy.
    pub write: WriteKind,
    /// How the layers are known.
    pub mode: Mode,
}

impl Arrangement {
    /// Every combination.
    pub fn all() -> impl Iterator<Item = Self> {
        ReadKind::ALL.into_iter().flat_map(|read| {
            WriteKind::ALL.into_iter().flat_map(move |write| {
                Mode::ALL
                    .into_iter()
                    .map(move |mode| Self { read, write, mode })
            })
        })
    }
}

impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, write, mode } = self;
        write!(f, "{}/{}/{}", read.as_str(), write.as_str(), mode.as_str())
    }
}
