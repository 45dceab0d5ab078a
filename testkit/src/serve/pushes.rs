//! Pub/Sub pushes, as in Google's documents.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// Wraps data as Pub/Sub pushes it: with field names in both spellings, and the field that a dead-letter policy adds.
pub fn envelope(data: &[u8], attributes: &Value) -> Value {
    json!({
        "deliveryAttempt": 1,
        "message": {
            "attributes": attributes,
            "data": BASE64_STANDARD.encode(data),
            "messageId": "2070443601311540",
            "message_id": "2070443601311540",
            "publishTime": "2023-11-16T11:59:30.137Z",
            "publish_time": "2023-11-16T11:59:30.137Z",
        },
        "subscription": "projects/myproject/subscriptions/mysubscription",
    })
}

/// Returns an object resource, as in notifications with `JSON_API_V1`.
pub fn resource(bucket: &str, name: &str, generation: u64) -> Value {
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{generation}"),
        "selfLink": format!("https://www.googleapis.com/storage/v1/b/{bucket}/o/x"),
        "name": name, "bucket": bucket, "generation": generation.to_string(), "metageneration": "1",
        "contentType": "application/gzip", "timeCreated": "2023-11-15T19:19:00.000Z", "size": "352",
        "md5Hash": "QVSqKXmGbtNLtGZBV0NVGA==", "storageClass": "STANDARD", "etag": "CJ3f5rqn1YIDEAE=",
    })
}

pub fn notification(event: &str, bucket: &str, name: &str, generation: u64) -> Value {
    let attributes = json!({
        "bucketId": bucket, "objectId": name, "objectGeneration": generation.to_string(), "eventType": event,
        "eventTime": "2023-11-15T19:19:00.123456Z", "payloadFormat": "JSON_API_V1",
        "notificationConfig": format!("projects/_/buckets/{bucket}/notificationConfigs/3"),
    });
    envelope(resource(bucket, name, generation).to_string().as_bytes(), &attributes)
}
