//! The pipeline of one rule.

use super::witness::{self, StepOutcome};
use super::{
    Authenticator, Authn, Authorizer, Captures, Denial, Echo, HeaderChanges, Identity, Mutator,
    Reason, RequestView, Session, Stage,
};
use crate::telemetry::metrics::StepMeter;
use std::sync::Arc;

/// A handler in its place in a rule.
#[derive(Debug, Clone)]
pub struct Step<T: ?Sized> {
    /// The handler's id, as rules write it.
    pub id: Arc<str>,
    pub handler: Arc<T>,
    /// For handlers that ask other servers.
    pub meter: Option<StepMeter>,
}

impl<T: ?Sized> Step<T> {
    async fn timed<R>(&self, work: impl Future<Output = R>) -> R {
        match &self.meter {
            None => work.await,
            Some(meter) => meter.time(work).await,
        }
    }
}

/// What a rule does with a request that it matched. Built once at load; immutable.
#[derive(Debug)]
pub struct Pipeline {
    pub authenticators: Vec<Step<dyn Authenticator>>,
    pub authorizer: Option<Step<dyn Authorizer>>,
    pub mutators: Vec<Step<dyn Mutator>>,
}

/// Proof that a pipeline was finished, and what it said. Without one nothing is forwarded.
///
/// ```compile_fail
/// // Only `Pipeline::run` makes one.
/// let grant = doorward::pipeline::Grant { subject: "admin".into(), headers: Default::default(), echo: Default::default() };
/// ```
#[derive(Debug)]
pub struct Grant {
    subject: Arc<str>,
    headers: HeaderChanges,
    echo: Echo,
}

impl Grant {
    pub fn subject(&self) -> &Arc<str> {
        &self.subject
    }

    /// What goes to the upstream (proxy) or back to the gateway (decision API).
    pub fn headers(&self) -> &HeaderChanges {
        &self.headers
    }

    pub fn echo(&self) -> Echo {
        self.echo
    }
}

/// A denial, and where in the pipeline it was said.
#[derive(Debug)]
pub struct Refusal {
    pub denial: Denial,
    pub stage: Stage,
    /// The handler that refused; `None` where a stage has none.
    pub handler: Option<Arc<str>>,
    /// Known once an authenticator took the request.
    pub subject: Option<Arc<str>>,
}

impl Pipeline {
    /// Whether a handler reads the request's body, so that the door must keep it for the upstream.
    pub fn needs_body(&self) -> bool {
        self.authorizer
            .as_ref()
            .is_some_and(|step| step.handler.needs_body())
    }

    /// Runs all stages in order; the only place where a [`Grant`] is made.
    pub async fn run(
        &self,
        request: &RequestView<'_>,
        captures: &dyn Captures,
    ) -> Result<Grant, Refusal> {
        let identity = self.identify(request).await?;
        let mut session = Session::new(request, identity, captures);
        self.authorize(request, &mut session).await?;
        self.mutate(request, &mut session).await?;
        Ok(Grant {
            subject: session.subject,
            headers: session.headers,
            echo: session.echo,
        })
    }

    async fn identify(&self, request: &RequestView<'_>) -> Result<Identity, Refusal> {
        let refuse = |denial, handler| Refusal {
            denial,
            stage: Stage::Authentication,
            handler,
            subject: None,
        };
        if self.authenticators.is_empty() {
            let denial = Denial::new(Reason::Incomplete)
                .saying("No authentication handler was set in the rule");
            return Err(refuse(denial, None));
        }
        for step in &self.authenticators {
            let began = witness::begin();
            let found = step.timed(step.handler.authenticate(request)).await;
            witness::note(began, Stage::Authentication, &step.id, || match &found {
                Ok(Authn::Identified(_)) => StepOutcome::Passed,
                Ok(Authn::Skip) => StepOutcome::NotResponsible,
                Err(denial) => StepOutcome::Denied(denial.reason),
            });
            match found {
                Ok(Authn::Identified(identity)) => return Ok(identity),
                Ok(Authn::Skip) => {}
                Err(denial) => return Err(refuse(denial, Some(step.id.clone()))),
            }
        }
        Err(refuse(Denial::new(Reason::Unauthorized), None))
    }

    async fn authorize(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |denial, handler, session: &Session<'_>| {
            refusal(denial, Stage::Authorization, handler, session)
        };
        let Some(step) = &self.authorizer else {
            let denial = Denial::new(Reason::Incomplete)
                .saying("No authorization handler was set in the rule");
            return Err(refuse(denial, None, session));
        };
        let began = witness::begin();
        let done = step.timed(step.handler.authorize(request, session)).await;
        witness::note(began, Stage::Authorization, &step.id, || outcome(&done));
        done.map_err(|denial| refuse(denial, Some(step.id.clone()), session))
    }

    async fn mutate(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |denial, handler, session: &Session<'_>| {
            refusal(denial, Stage::Mutation, handler, session)
        };
        if self.mutators.is_empty() {
            let denial =
                Denial::new(Reason::Incomplete).saying("No mutation handler was set in the rule");
            return Err(refuse(denial, None, session));
        }
        for step in &self.mutators {
            let began = witness::begin();
            let done = step.timed(step.handler.mutate(request, session)).await;
            witness::note(began, Stage::Mutation, &step.id, || outcome(&done));
            if let Err(denial) = done {
                return Err(refuse(denial, Some(step.id.clone()), session));
            }
        }
        Ok(())
    }
}

/// A refusal after an authenticator took the request.
fn refusal(
    denial: Denial,
    stage: Stage,
    handler: Option<Arc<str>>,
    session: &Session<'_>,
) -> Refusal {
    Refusal {
        denial,
        stage,
        handler,
        subject: Some(session.subject.clone()),
    }
}

fn outcome(done: &Result<(), Denial>) -> StepOutcome {
    match done {
        Ok(()) => StepOutcome::Passed,
        Err(denial) => StepOutcome::Denied(denial.reason),
    }
}
