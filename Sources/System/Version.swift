/// The version of kaon, as `kaon --version` prints it.
package let kaonVersion = "0.1.0"
