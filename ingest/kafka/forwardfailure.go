package kafka

import (
	"errors"

	kafkago "github.com/segmentio/kafka-go"
)

// failure is what to do about an error of a broker.
type failure int

const (
	failedForNow    failure = iota // try again, at once
	failedForbidden                // a person has to do something; until then there is no use in trying
	failedSize
	failedForGood
)

func failureOf(err error) failure {
	var code kafkago.Error
	if !errors.As(err, &code) {
		return failedForNow // the network, or no answer in time
	}
	switch code {
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		return failedSize
	case kafkago.TopicAuthorizationFailed, kafkago.ClusterAuthorizationFailed, kafkago.SASLAuthenticationFailed,
		kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState, kafkago.PolicyViolation, kafkago.SecurityDisabled:
		return failedForbidden
	}
	if code.Temporary() {
		return failedForNow
	}
	return failedForGood
}

// refused reports of an error of a produce that nothing was written: the broker said
// no, or was never reached. Some of a broker's errors are no such no: it gives them
// also for what it wrote, where it hears too little of the replicas in time, or
// ceases to lead the partition before it does.
func refused(err error) bool {
	var code kafkago.Error
	if !errors.As(err, &code) {
		return answered(err)
	}
	switch code {
	case kafkago.Unknown, kafkago.RequestTimedOut, kafkago.NetworkException, kafkago.NotEnoughReplicasAfterAppend,
		kafkago.NotLeaderForPartition, kafkago.FencedLeaderEpoch, kafkago.KafkaStorageError:
		return false
	}
	return true
}
