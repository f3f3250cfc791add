/// The version of kaon, as `kaon --version` prints it.
public let kaonVersion = "0.1.0"
