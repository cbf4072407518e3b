// Package kafkatest runs a real Kafka broker for tests and benchmarks. Only they
// import it.
//
// # Which broker
//
// Kafka 4.1 from its jars, which `make components` puts into .cache or
// HINDCAST_TEST_KAFKA names, on the java of JAVA_HOME or the PATH: one node in
// KRaft mode, with a folder and loopback ports of its own. Without jars or java a
// test is skipped and names what is missing; with CI=true it fails.
//
// # Use
//
//	func TestMain(m *testing.M) { kafkatest.Main(m) }
//
//	func TestX(t *testing.T) {
//		broker := kafkatest.Shared(t)
//		topic := broker.Topic(t, 3, nil) // three partitions, a name of its own
//		client := broker.Client(t)       // franz-go, to produce and to read
//	}
//
// A test that kills, freezes or secures a broker takes its own by Start. A broker
// dies with the test process. NewFake is one inside the test process.
//
// Topics are there when a test makes them: clients create none by asking. Records
// stay whatever their time is, unless a topic's retention.ms says otherwise, which
// is looked at twice a second. Sessions of groups may be as short as 0.5 s.
//
// On two idle cores a start takes 4 s, a restart after kill -9 some 5 s (the broker waits
// until its former session of 3 s is over), and memory is some 220 MB. With Kafka 4 a
// group's offsets vanish with the topic that they are of.
package kafkatest
