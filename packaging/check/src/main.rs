//! Reads a file of Kubernetes manifests into Kubernetes' types, and says whether what a deployment of Doorward needs is in them.
//!
//! `doorward-packaging-check MANIFESTS FOLDER` writes the files of the ConfigMaps into FOLDER, for `doorward validate`. Exits with 1 and
//! one line for each thing that is missing.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, Probe, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

/// Everything that the file holds.
#[derive(Default)]
struct Manifests {
    maps: Vec<ConfigMap>,
    deployments: Vec<Deployment>,
    services: Vec<Service>,
    budgets: Vec<PodDisruptionBudget>,
    scalers: Vec<HorizontalPodAutoscaler>,
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(file), Some(folder)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: doorward-packaging-check MANIFESTS FOLDER");
        return ExitCode::from(2);
    };
    match read(&file).and_then(|found| Ok((found.write(Path::new(&folder))?, found.missing()))) {
        Ok((files, missing)) if missing.is_empty() => {
            println!("{file}: all there; {}", files.join(", "));
            ExitCode::SUCCESS
        }
        Ok((_, missing)) => {
            missing.iter().for_each(|what| eprintln!("{file}: {what}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(file: &str) -> Result<Manifests, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    let mut found = Manifests::default();
    for document in serde_norway::Deserializer::from_str(&text) {
        let value = Value::deserialize(document)?;
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "ConfigMap" => found.maps.push(typed(value)?),
            "Deployment" => found.deployments.push(typed(value)?),
            "Service" => found.services.push(typed(value)?),
            "PodDisruptionBudget" => found.budgets.push(typed(value)?),
            "HorizontalPodAutoscaler" => found.scalers.push(typed(value)?),
            other => return Err(format!("`{other}` is nothing that is expected here").into()),
        }
    }
    Ok(found)
}

/// The types ignore what they don't know; a key that is not there again when they are written was misspelt.
fn typed<T: DeserializeOwned + serde::Serialize + Resource>(
    value: Value,
) -> Result<T, Box<dyn Error>> {
    let kind = T::KIND;
    let typed: T =
        serde_json::from_value(value.clone()).map_err(|error| format!("{kind}: {error}"))?;
    let again = serde_json::to_value(&typed)?;
    let mut lost = Vec::new();
    compare(&value, &again, kind, &mut lost);
    match lost.as_slice() {
        [] => Ok(typed),
        lost => Err(format!("unknown: {}", lost.join(", ")).into()),
    }
}

fn compare(written: &Value, read: &Value, at: &str, lost: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(other) => compare(value, other, &format!("{at}.{key}"), lost),
                    None => lost.push(format!("{at}.{key}")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (index, (value, other)) in written.iter().zip(read).enumerate() {
                compare(value, other, &format!("{at}[{index}]"), lost);
            }
        }
        _ => {}
    }
}

impl Manifests {
    fn write(&self, folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
        let mut names = Vec::new();
        for (name, text) in self
            .maps
            .iter()
            .filter_map(|map| map.data.as_ref())
            .flatten()
        {
            fs::write(folder.join(name), text)?;
            names.push(name.clone());
        }
        Ok(names)
    }

    fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        let mut need = |there: bool, what| {
            if !there {
                missing.push(what);
            }
        };
        let spec = self
            .deployments
            .first()
            .and_then(|found| found.spec.as_ref());
        let pod = spec
            .and_then(|spec| spec.template.spec.clone())
            .unwrap_or_default();
        let container = pod.containers.first().cloned().unwrap_or_default();
        need(
            self.deployments.len() == 1 && pod.containers.len() == 1,
            "not one deployment of one container",
        );
        need(
            spec.and_then(|spec| spec.replicas)
                .is_some_and(|count| count >= 2),
            "fewer than two replicas",
        );
        let unavailable = spec.and_then(|spec| {
            spec.strategy
                .as_ref()?
                .rolling_update
                .as_ref()?
                .max_unavailable
                .clone()
        });
        need(
            unavailable == Some(IntOrString::Int(0)),
            "an update may leave a gap: maxUnavailable is not 0",
        );
        need(
            asks(&container.readiness_probe, "/health/ready"),
            "no readiness probe at /health/ready",
        );
        need(
            asks(&container.liveness_probe, "/health/alive"),
            "no liveness probe at /health/alive",
        );
        need(
            ports_exist(&container),
            "a probe asks at a port that the container does not name",
        );
        need(
            container
                .lifecycle
                .and_then(|cycle| cycle.pre_stop)
                .is_some(),
            "no preStop: balancers get no time",
        );
        need(container.resources.is_some(), "no resources");
        need(
            !container.image.unwrap_or_default().ends_with(":latest"),
            "the image is `latest`",
        );
        need(
            is_confined(&pod),
            "the pod is not confined: root, capabilities, a file system that can be written, or a token",
        );
        need(
            self.mounts_are_maps(&pod),
            "a volume is of a ConfigMap that is not there",
        );
        let labels = spec
            .and_then(|spec| spec.template.metadata.as_ref()?.labels.clone())
            .unwrap_or_default();
        let selects = |selector: Option<std::collections::BTreeMap<String, String>>| {
            selector.is_some_and(|wanted| {
                !wanted.is_empty()
                    && wanted
                        .iter()
                        .all(|(key, value)| labels.get(key) == Some(value))
            })
        };
        need(
            spec.is_some_and(|spec| selects(spec.selector.match_labels.clone())),
            "the deployment does not select its pods",
        );
        need(
            !self.services.is_empty()
                && self.services.iter().all(|service| {
                    selects(service.spec.as_ref().and_then(|spec| spec.selector.clone()))
                }),
            "a service selects no pod",
        );
        need(
            self.budgets.iter().any(|budget| {
                selects(
                    budget
                        .spec
                        .as_ref()
                        .and_then(|spec| spec.selector.as_ref()?.match_labels.clone()),
                )
            }),
            "no PodDisruptionBudget for the pods",
        );
        let name = self
            .deployments
            .first()
            .and_then(|found| found.metadata.name.clone());
        need(
            self.scalers.iter().any(|scaler| {
                scaler.spec.as_ref().is_some_and(|spec| {
                    Some(&spec.scale_target_ref.name) == name.as_ref()
                        && spec.min_replicas >= Some(2)
                })
            }),
            "no HorizontalPodAutoscaler of the deployment with at least two replicas",
        );
        missing
    }

    fn mounts_are_maps(&self, pod: &PodSpec) -> bool {
        let known: BTreeSet<_> = self
            .maps
            .iter()
            .filter_map(|map| map.metadata.name.clone())
            .collect();
        let mut named = pod
            .volumes
            .iter()
            .flatten()
            .filter_map(|volume| volume.config_map.as_ref());
        named.all(|map| known.contains(&map.name))
    }
}

fn asks(probe: &Option<Probe>, path: &str) -> bool {
    let action = probe.as_ref().and_then(|probe| probe.http_get.as_ref());
    action.is_some_and(|action| action.path.as_deref() == Some(path))
}

fn ports_exist(container: &Container) -> bool {
    let named: BTreeSet<&str> = container
        .ports
        .iter()
        .flatten()
        .filter_map(|port| port.name.as_deref())
        .collect();
    let probes = [
        &container.readiness_probe,
        &container.liveness_probe,
        &container.startup_probe,
    ];
    probes
        .into_iter()
        .flatten()
        .filter_map(|probe| probe.http_get.as_ref())
        .all(|action| match &action.port {
            IntOrString::String(name) => named.contains(name.as_str()),
            IntOrString::Int(_) => true,
        })
}

fn is_confined(pod: &PodSpec) -> bool {
    let whole = pod.security_context.clone().unwrap_or_default();
    let own = pod
        .containers
        .first()
        .and_then(|container| container.security_context.clone())
        .unwrap_or_default();
    let dropped = own
        .capabilities
        .and_then(|all| all.drop)
        .unwrap_or_default();
    whole.run_as_non_root == Some(true)
        && whole
            .seccomp_profile
            .is_some_and(|profile| profile.type_ == "RuntimeDefault")
        && own.read_only_root_filesystem == Some(true)
        && own.allow_privilege_escalation == Some(false)
        && dropped == ["ALL"]
        && pod.automount_service_account_token == Some(false)
}
