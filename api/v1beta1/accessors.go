package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GetConditions returns the conditions of the provider.
func (p *Provider) GetConditions() []metav1.Condition { return p.Status.Conditions }

// SetConditions replaces the conditions of the provider.
func (p *Provider) SetConditions(conditions []metav1.Condition) { p.Status.Conditions = conditions }

// GetConditions returns the conditions of the location.
func (l *BackupLocation) GetConditions() []metav1.Condition { return l.Status.Conditions }

// SetConditions replaces the conditions of the location.
func (l *BackupLocation) SetConditions(conditions []metav1.Condition) {
	l.Status.Conditions = conditions
}

// GetConditions returns the conditions of the backup.
func (b *Backup) GetConditions() []metav1.Condition { return b.Status.Conditions }

// SetConditions replaces the conditions of the backup.
func (b *Backup) SetConditions(conditions []metav1.Condition) { b.Status.Conditions = conditions }

// GetConditions returns the conditions of the restore.
func (r *Restore) GetConditions() []metav1.Condition { return r.Status.Conditions }

// SetConditions replaces the conditions of the restore.
func (r *Restore) SetConditions(conditions []metav1.Condition) { r.Status.Conditions = conditions }

// GetConditions returns the conditions of the inspection.
func (i *Inspection) GetConditions() []metav1.Condition { return i.Status.Conditions }

// SetConditions replaces the conditions of the inspection.
func (i *Inspection) SetConditions(conditions []metav1.Condition) { i.Status.Conditions = conditions }

// GetConditions returns the conditions of the set.
func (t *TransformSet) GetConditions() []metav1.Condition { return t.Status.Conditions }

// SetConditions replaces the conditions of the set.
func (t *TransformSet) SetConditions(conditions []metav1.Condition) { t.Status.Conditions = conditions }
