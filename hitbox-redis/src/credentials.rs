//! Who logs in, and with what.

use std::{error::Error, fmt, time::SystemTime};

use async_trait::async_trait;

/// A password or token, whose it is, and when it ends. Its `Debug` shows neither.
///
/// It is also the simplest [`CredentialsProvider`]: one that always gives the same.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: String,
    pub(crate) end: Option<SystemTime>,
}

impl Credentials {
    /// Those of a user.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: Some(username.into()),
            password: password.into(),
            end: None,
        }
    }

    /// Those of the server's default user.
    #[must_use]
    pub fn of_default_user(password: impl Into<String>) -> Self {
        Self {
            username: None,
            password: password.into(),
            end: None,
        }
    }

    /// Until when the server takes them, by this process's clock, as with the tokens of cloud providers.
    /// A connection that is open by then logs in anew before, at four fifths of the time that is left, with
    /// what the provider gives then.
    #[must_use]
    pub const fn until(mut self, end: SystemTime) -> Self {
        self.end = Some(end);
        self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Gives the credentials for each connection: for those that change while the backend lives.
///
/// ```
/// use std::{error::Error, time::{Duration, SystemTime}};
/// use async_trait::async_trait;
/// use hitbox_redis::{Credentials, CredentialsProvider, RedisBackend};
///
/// struct Tokens;
///
/// # async fn ask_the_vault() -> std::io::Result<String> { Ok(String::new()) }
/// #[async_trait]
/// impl CredentialsProvider for Tokens {
///     async fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
///         let token = ask_the_vault().await?;
///         let end = SystemTime::now() + Duration::from_secs(900);
///         Ok(Credentials::new("cache-user", token).until(end))
///     }
/// }
///
/// let cache = RedisBackend::builder()
///     .url("rediss://cache.internal:6379")
///     .credentials(Tokens)
///     .build()?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// ```
#[async_trait]
pub trait CredentialsProvider: Send + Sync + 'static {
    /// What to log in with now. It is asked for each connection that is opened, also after a refused login,
    /// and when what it gave is about to end. What is slow or costs something to get, it keeps itself.
    ///
    /// It may take longer than
    /// [`connect_timeout`](crate::RedisBackendBuilder::connect_timeout): calls fail meanwhile, and it is
    /// not asked again until it has answered, or 30 seconds have passed.
    ///
    /// # Errors
    ///
    /// There is no connection then; the next attempt asks again. The first line of the error's text is shown
    /// in errors and logged, so it must hold no secret.
    async fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>>;
}

/// Always the same.
#[async_trait]
impl CredentialsProvider for Credentials {
    async fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }
}
