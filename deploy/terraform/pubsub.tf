resource "google_service_account_iam_member" "push" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub_agent
}

resource "google_pubsub_topic" "dead_letter" {
  name       = "${var.name}-dead-letter"
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_subscription" "dead_letter" {
  name                       = "${var.name}-dead-letter"
  topic                      = google_pubsub_topic.dead_letter.id
  message_retention_duration = "2678400s"
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "dead_letter" {
  topic  = google_pubsub_topic.dead_letter.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_topic" "collect" {
  name       = "${var.name}-collect"
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_subscription" "collect" {
  name                       = "${var.name}-collect"
  topic                      = google_pubsub_topic.collect.id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"
  expiration_policy {
    ttl = ""
  }
  push_config {
    push_endpoint = "${local.url}/collect"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.url
    }
  }
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter.id
    max_delivery_attempts = 10
  }
}

resource "google_pubsub_subscription_iam_member" "collect" {
  subscription = google_pubsub_subscription.collect.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_cloud_scheduler_job" "collect" {
  name      = "${var.name}-collect"
  region    = var.region
  schedule  = var.schedule
  time_zone = "Etc/UTC"
  pubsub_target {
    topic_name = google_pubsub_topic.collect.id
    attributes = { run = "all" }
  }
}

resource "google_pubsub_topic" "objects" {
  count      = var.notify ? 1 : 0
  name       = "${var.name}-objects"
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_subscription" "objects" {
  count                      = var.notify ? 1 : 0
  name                       = "${var.name}-objects"
  topic                      = google_pubsub_topic.objects[0].id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"
  expiration_policy {
    ttl = ""
  }
  push_config {
    push_endpoint = "${local.url}/ingest"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.url
    }
  }
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter.id
    max_delivery_attempts = 20
  }
}

resource "google_pubsub_subscription_iam_member" "objects" {
  count        = var.notify ? 1 : 0
  subscription = google_pubsub_subscription.objects[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_pubsub_topic_iam_member" "objects" {
  count  = var.notify ? 1 : 0
  topic  = google_pubsub_topic.objects[0].name
  role   = "roles/pubsub.publisher"
  member = data.google_storage_project_service_account.agent[0].member
}

resource "google_cloud_scheduler_job" "objects" {
  count     = var.notify ? 1 : 0
  name      = "${var.name}-objects"
  region    = var.region
  schedule  = "7 * * * *"
  time_zone = "Etc/UTC"
  pubsub_target {
    topic_name = google_pubsub_topic.objects[0].id
    attributes = { run = "all" }
  }
}
