// Reads a configuration of kind as kind does, strictly, and prints it as JSON with kind's defaults.
package main

import (
	"encoding/json"
	"log"
	"os"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatalf("usage: %s FILE", os.Args[0])
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var cluster v1alpha4.Cluster
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(&cluster); err != nil {
		log.Fatalf("%s: %v", os.Args[1], err)
	}
	v1alpha4.SetDefaultsCluster(&cluster)
	if err := json.NewEncoder(os.Stdout).Encode(cluster); err != nil {
		log.Fatal(err)
	}
}
