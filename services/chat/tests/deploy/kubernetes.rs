//! Both ways to install chat in Kubernetes give the same objects, which Kubernetes knows and our rules allow.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use chat_testkit::program::{tool, tools};
use serde_json::{Value, json};

use super::files::{self, prints};

/// The oldest and the newest that are said to do.
const KUBERNETES: [&str; 2] = ["1.29", "1.37"];
/// Of the Prometheus operator.
const FOREIGN: &str = "PodMonitor";

type Objects = BTreeMap<String, Value>;

#[test]
fn the_chart_and_the_overlays_give_the_same_objects() -> anyhow::Result<()> {
    for (overlay, values) in [("base", None), ("small", Some("small")), ("production", Some("production"))] {
        let (chart, overlay_objects) = (of_chart(values)?, of_overlay(overlay)?);
        let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&chart), names(&overlay_objects), "{overlay}");
        for (name, made) in &chart {
            let other = &overlay_objects[name];
            ensure!(made == other, "{overlay}: {name} by the chart\n{made:#}\nand by the overlay\n{other:#}");
        }
    }
    Ok(())
}

#[test]
fn every_pod_is_restricted_and_nobody_is_missing_while_it_rolls() -> anyhow::Result<()> {
    for values in [None, Some("small"), Some("production")] {
        let objects = of_chart(values)?;
        for (name, object) in &objects {
            pods(name, object)?;
        }
        for role in roles(&objects) {
            let strategy = &objects[&format!("Deployment {role}")]["spec"]["strategy"]["rollingUpdate"];
            ensure!(strategy["maxUnavailable"] == 0, "{role}: {strategy}");
            for kind in ["PodDisruptionBudget", "NetworkPolicy"] {
                ensure!(objects.contains_key(&format!("{kind} {role}")), "{role} has no {kind}");
            }
        }
        ensure!(!objects.keys().any(|name| name.starts_with("StatefulSet") || name.starts_with("Secret")));
        let ports = &objects["Service chat-gateway"]["spec"]["ports"];
        ensure!(!ports.to_string().contains("ops"), "the operations port is for operators alone: {ports}");
    }
    Ok(())
}

/// What the profile `restricted` of Kubernetes' pod security standards asks for, and what we ask for beyond it.
fn pods(name: &str, object: &Value) -> anyhow::Result<()> {
    let Some(pod) = object.pointer("/spec/template/spec") else { return Ok(()) };
    let wanted = [
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        ("/automountServiceAccountToken", json!(false)),
        ("/containers/0/securityContext/allowPrivilegeEscalation", json!(false)),
        ("/containers/0/securityContext/readOnlyRootFilesystem", json!(true)),
        ("/containers/0/securityContext/capabilities/drop", json!(["ALL"])),
    ];
    for (path, value) in &wanted {
        ensure!(pod.pointer(path) == Some(value), "{name}: {path} is {:?}", pod.pointer(path));
    }
    for host in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        ensure!(pod.get(host).is_none(), "{name}: {host}");
    }
    for (path, what) in [("/requests/cpu", "cpu"), ("/requests/memory", "memory"), ("/limits/memory", "its bound")] {
        ensure!(pod.pointer(&format!("/containers/0/resources{path}")).is_some(), "{name} does not state {what}");
    }
    let container = &pod["containers"][0];
    let unknown = files::unknown_settings(&container["env"].to_string())?;
    ensure!(unknown.is_empty(), "{name}: settings that do not exist: {unknown:?}");
    for variable in container["env"].as_array().context("an environment")? {
        let (name, plain) = (variable["name"].as_str().unwrap_or_default(), variable.get("value").is_some());
        ensure!(!(plain && (name.ends_with("PASSWORD") || name == "CHAT_AUTH_KEYS")), "{name} is no reference");
    }
    if name.starts_with("Deployment") {
        ensure!(pod["terminationGracePeriodSeconds"] == 90, "{name}");
        ensure!(pod["topologySpreadConstraints"].as_array().is_some_and(|spread| spread.len() == 2), "{name}");
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            ensure!(container[probe]["httpGet"]["port"] == "ops", "{name}: {probe}");
        }
    }
    Ok(())
}

#[test]
fn production_scales_by_sockets_and_lag_and_comes_down_slowly() -> anyhow::Result<()> {
    let objects = of_chart(Some("production"))?;
    for (role, metric) in [("gateway", "chat_gateway_sockets"), ("persister", "chat_persister_lag_events")] {
        let scaler = &objects[&format!("HorizontalPodAutoscaler chat-{role}")]["spec"];
        ensure!(scaler["metrics"].to_string().contains(metric), "{role}");
        let down = &scaler["behavior"]["scaleDown"];
        ensure!(down["stabilizationWindowSeconds"] == 600, "{role}: {down}");
        ensure!(down["policies"] == json!([{ "type": "Percent", "value": 10, "periodSeconds": 60 }]), "{role}: {down}");
        let fixed = objects[&format!("Deployment chat-{role}")]["spec"].get("replicas");
        ensure!(fixed.is_none(), "{role}: a roll-out would undo the autoscaler");
    }
    Ok(())
}

#[test]
fn values_that_are_not_there_and_secrets_in_urls_are_refused() -> anyhow::Result<()> {
    for wrong in ["gateway.replica=3", "log.url=nats://chat:secret@nats:4222", "log.replicas=2", "settings.LOG=x"] {
        let refused = chart(None)?.args(["--set", wrong]).output()?;
        ensure!(!refused.status.success(), "{wrong} is taken");
    }
    Ok(())
}

fn roles(objects: &Objects) -> Vec<&str> {
    objects.keys().filter_map(|name| name.strip_prefix("Deployment ")).collect()
}

fn chart(values: Option<&str>) -> anyhow::Result<Command> {
    let folder = files::root().join("k8s/chart");
    let mut helm = Command::new(tool("helm")?);
    helm.args(["template", "chat"]).arg(&folder).args(["--namespace", "chat", "--kube-version", KUBERNETES[0]]);
    if let Some(values) = values {
        helm.arg("--values").arg(folder.join(format!("values-{values}.yaml")));
    }
    Ok(helm)
}

fn of_chart(values: Option<&str>) -> anyhow::Result<Objects> {
    normal(checked(&prints(&mut chart(values)?)?)?)
}

fn of_overlay(name: &str) -> anyhow::Result<Objects> {
    let overlay = files::root().join("k8s/kustomize").join(name);
    normal(checked(&prints(Command::new(tool("kustomize")?).arg("build").arg(overlay))?)?)
}

/// The objects in this YAML, if Kubernetes knows them and all their fields.
fn checked(yaml: &str) -> anyhow::Result<Vec<Value>> {
    let mut checker = Command::new("python3")
        .arg(files::root().join("shared/testkit/tools/kubernetes-objects"))
        .args(["--exempt", FOREIGN])
        .args(KUBERNETES)
        .env("PYTHONPATH", tools().join("kubernetes-validate"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start python3")?;
    checker.stdin.take().context("its input")?.write_all(yaml.as_bytes())?;
    let output = checker.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// By kind and name, without what says only who installed them.
fn normal(objects: Vec<Value>) -> anyhow::Result<Objects> {
    let mut by_name = Objects::new();
    for mut object in objects {
        let metadata = object["metadata"].as_object_mut().context("an object has metadata")?;
        metadata.remove("namespace");
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| name != "helm.sh/chart" && name != "app.kubernetes.io/managed-by");
        }
        if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            notes.retain(|name, _| !name.starts_with("helm.sh/hook"));
            if notes.is_empty() {
                metadata.remove("annotations");
            }
        }
        for path in [
            "/spec/template/spec/containers/0/env",
            "/spec/template/spec/containers/0/volumeMounts",
            "/spec/template/spec/volumes",
        ] {
            if let Some(list) = object.pointer_mut(path).and_then(Value::as_array_mut) {
                list.sort_by_key(|entry| entry["name"].to_string());
            }
        }
        let name = format!(
            "{} {}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default()
        );
        ensure!(by_name.insert(name.clone(), object).is_none(), "{name} twice");
    }
    Ok(by_name)
}
