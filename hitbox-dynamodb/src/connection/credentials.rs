//! Credentials: loaded apart from the calls that need them, kept, and renewed ahead.
//!
//! The SDK's own cache loads them within the first call that needs them, and a call that ends at its
//! deadline takes the load along: a provider that is slower than that never gets to its end.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::{
    config::{ConfigBag, Credentials, ResolveCachedIdentity, RuntimeComponents},
    error::BoxError,
};
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveIdentity, SharedIdentityResolver,
};
use futures::FutureExt;
use hitbox_backend::BackendErrorKind;
use hitbox_core::BackendLabel;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    error::failure::{Failure, Remedy},
    lock::locked,
    settings,
};

/// How long a provider may take; then it is asked anew.
const LONGEST_LOAD: Duration = Duration::from_secs(60);

/// How long another load waits after one that failed, or that brought what is not accepted.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_OF_DOUBT: Duration = Duration::from_secs(5);

/// How long before their expiry credentials are renewed, unless they live less than twice that.
const AHEAD: Duration = Duration::from_secs(300);

/// When credentials are renewed that have no expiry.
const RENEWAL: Duration = Duration::from_secs(900);

/// The SDK's cache of credentials, for one backend.
pub(crate) struct Keeper {
    label: BackendLabel,
    state: Mutex<State>,
    /// Told of every load that ends.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    loading_since: Option<Instant>,
    failed: Option<(Instant, Reason)>,
    loads: u64,
}

struct Kept {
    identity: Identity,
    loaded: Instant,
    renewed_from: SystemTime,
}

/// Why a load has brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NotFound,
    TimedOut,
    Misconfigured,
    Failed,
    Panicked,
    Expired,
    Unsendable,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "there are none where their provider looks",
            Self::TimedOut => "their provider does not answer",
            Self::Misconfigured => "their provider is not set up",
            Self::Failed => "their provider failed",
            Self::Panicked => "their provider has panicked",
            Self::Expired => "those that their provider gave have expired",
            Self::Unsendable => {
                "those that their provider gave hold a character that no header can, such as a \
                 line end"
            }
        }
    }
}

/// What there was when a call looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    were_there: bool,
    loads: u64,
}

enum Answer {
    Kept(Identity),
    /// Kept, but to be loaded anew.
    Aging(Identity),
    Failed(Reason),
    Loading,
    Missing,
}

impl Keeper {
    pub(crate) fn new(label: BackendLabel) -> Arc<Self> {
        Arc::new(Self {
            label,
            state: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    pub(crate) fn look(&self) -> Look {
        let state = locked(&self.state);
        Look {
            were_there: state.live(SystemTime::now()).is_some(),
            loads: state.loads,
        }
    }

    /// That credentials are missing, if there have been none since `before`: then nothing can have
    /// been sent either.
    pub(crate) fn missing_since(&self, before: Look) -> Option<Failure> {
        let state = locked(&self.state);
        let none_since = !before.were_there && state.loads == before.loads;
        let (reason, remedy) = match (state.loading_since, state.failed) {
            _ if !none_since => return None,
            (Some(since), _) => {
                let so_far = since.elapsed();
                (
                    format!("not loaded within {so_far:.1?} so far"),
                    Remedy::Again,
                )
            }
            (None, Some((_, reason))) => (reason.as_str().to_owned(), Remedy::None),
            (None, None) => return None,
        };
        let detail = format!("credentials are missing: {reason}");
        let failure = Failure::new(BackendErrorKind::Unavailable, detail);
        Some(failure.without_effect().remedied_by(remedy))
    }

    /// Loads others soon: the service does not accept those that are kept.
    pub(crate) fn doubt(&self) {
        if let Some(kept) = &mut locked(&self.state).kept
            && kept.loaded.elapsed() >= PAUSE_OF_DOUBT
        {
            kept.renewed_from = SystemTime::UNIX_EPOCH;
        }
    }

    fn end_load(&self, loaded: Result<Identity, Reason>) {
        let mut state = locked(&self.state);
        state.loading_since = None;
        match loaded.and_then(|identity| Kept::new(identity, SystemTime::now())) {
            Ok(kept) => {
                state.kept = Some(kept);
                state.failed = None;
                state.loads += 1;
            }
            Err(reason) => {
                if state.failed.is_none() {
                    let reason = reason.as_str();
                    tracing::warn!(backend = %self.label, reason, "credentials cannot be loaded");
                }
                state.failed = Some((Instant::now(), reason));
            }
        }
        drop(state);
        self.wake();
    }

    /// For a load whose runtime has ended: a call that waits in another one begins anew.
    fn abandon_load(&self) {
        locked(&self.state).loading_since = None;
        self.wake();
    }

    fn wake(&self) {
        self.ended.send_modify(|ended| *ended += 1);
    }
}

impl State {
    fn live(&self, now: SystemTime) -> Option<&Kept> {
        let kept = self.kept.as_ref()?;
        let expires = kept.identity.expiration();
        expires.is_none_or(|expires| expires > now).then_some(kept)
    }

    /// What to answer, and in the cases in which a load is wanted, that it has begun.
    fn answer(&mut self, now: SystemTime) -> Answer {
        let is_loading = self
            .loading_since
            .is_some_and(|since| since.elapsed() < LONGEST_LOAD);
        let failed = self
            .failed
            .filter(|(at, _)| at.elapsed() < PAUSE)
            .map(|(_, reason)| reason);
        let answer = match (self.live(now), failed) {
            (Some(kept), failed) => {
                let identity = kept.identity.clone();
                if kept.renewed_from > now || is_loading || failed.is_some() {
                    return Answer::Kept(identity);
                }
                Answer::Aging(identity)
            }
            (None, _) if is_loading => return Answer::Loading,
            (None, Some(reason)) => return Answer::Failed(reason),
            (None, None) => Answer::Missing,
        };
        self.loading_since = Some(Instant::now());
        answer
    }
}

impl Kept {
    fn new(identity: Identity, now: SystemTime) -> Result<Self, Reason> {
        let left = match identity.expiration() {
            None => RENEWAL,
            Some(expires) => {
                let left = expires.duration_since(now).map_err(|_| Reason::Expired)?;
                left.saturating_sub(AHEAD).max(left / 2).min(RENEWAL * 100)
            }
        };
        if identity.data::<Credentials>().is_some_and(is_unsendable) {
            return Err(Reason::Unsendable);
        }
        Ok(Self {
            identity,
            loaded: Instant::now(),
            renewed_from: now + left,
        })
    }
}

/// Whether the SDK would panic as it makes a header of these.
fn is_unsendable(credentials: &Credentials) -> bool {
    let token = credentials.session_token().unwrap_or_default();
    [credentials.access_key_id(), token]
        .into_iter()
        .any(|value| !settings::fits_into_header(value))
}

/// Ends a load in any case: also if its runtime ends before.
struct Load {
    keeper: Arc<Keeper>,
    ended: bool,
}

impl Load {
    fn end(mut self, loaded: Result<Identity, Reason>) {
        self.ended = true;
        self.keeper.end_load(loaded);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if !self.ended {
            self.keeper.abandon_load();
        }
    }
}

type Loading = Pin<Box<dyn Future<Output = Result<Identity, Reason>> + Send>>;

/// Independent of the call that asks for it.
fn load(resolver: SharedIdentityResolver, components: RuntimeComponents) -> Loading {
    Box::pin(async move {
        // Providers do not go by the settings of an operation.
        let config = ConfigBag::base();
        let resolving = resolver.resolve_identity(&components, &config);
        let resolving = AssertUnwindSafe(resolving).catch_unwind();
        match timeout(LONGEST_LOAD, resolving).await {
            Ok(Ok(loaded)) => loaded.map_err(|error| reason(&error)),
            Ok(Err(_panic)) => Err(Reason::Panicked),
            Err(_) => Err(Reason::TimedOut),
        }
    })
}

/// A provider's own words may hold secrets.
fn reason(error: &BoxError) -> Reason {
    match error.downcast_ref::<CredentialsError>() {
        Some(CredentialsError::CredentialsNotLoaded(_)) => Reason::NotFound,
        Some(CredentialsError::ProviderTimedOut(_)) => Reason::TimedOut,
        Some(CredentialsError::InvalidConfiguration(_)) => Reason::Misconfigured,
        Some(_) | None => Reason::Failed,
    }
}

/// The keeper as the SDK asks for it.
#[derive(Clone)]
pub(crate) struct Cache(pub(crate) Arc<Keeper>);

impl Cache {
    fn start(&self, resolver: SharedIdentityResolver, components: &RuntimeComponents) {
        let running = Load {
            keeper: Arc::clone(&self.0),
            ended: false,
        };
        let mut loading = load(resolver, components.clone());
        // Most providers have them at hand.
        if let Some(loaded) = loading.as_mut().now_or_never() {
            return running.end(loaded);
        }
        tokio::spawn(async move { running.end(loading.await) });
    }
}

impl ResolveCachedIdentity for Cache {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let mut ended = self.0.ended.subscribe();
            loop {
                let answer = locked(&self.0.state).answer(SystemTime::now());
                match answer {
                    Answer::Kept(identity) => return Ok(identity),
                    Answer::Aging(identity) => {
                        self.start(resolver.clone(), components);
                        return Ok(identity);
                    }
                    Answer::Failed(reason) => return Err(reason.as_str().into()),
                    Answer::Missing => self.start(resolver.clone(), components),
                    Answer::Loading => {
                        ended.changed().await?;
                    }
                }
            }
        })
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}
