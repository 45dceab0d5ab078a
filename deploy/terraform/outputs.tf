output "url" {
  description = "The service"
  value       = local.url
}

output "collect_now" {
  description = "Collects at once"
  value       = "gcloud scheduler jobs run ${google_cloud_scheduler_job.collect.name} --location=${var.region} --project=${var.project}"
}

output "ingest_old_objects" {
  description = "Ingests what was there before, in parts"
  value       = "gcloud run jobs execute ${google_cloud_run_v2_job.backfill.name} --region=${var.region} --project=${var.project}"
}
