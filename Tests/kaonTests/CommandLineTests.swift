import Testing

struct CommandLineTests {
    @Test(arguments: [
        (["train", "a.yaml", "seed=1"], "there is no command 'train'; did you mean 'pretrain' or 'finetune'?"),
        (["evalute", "x"], "there is no command 'evalute'; did you mean 'evaluate'?"),
        (["configs/quickstart.yaml"], "there is no command 'configs/quickstart.yaml'; see kaon --help"),
    ])
    func anUnknownCommandIsNamed(_ arguments: [String], _ message: String) throws {
        let outcome = try kaon(arguments)
        #expect(outcome.code == 64)
        #expect(outcome.complaints.first == "Error: \(message)")
        #expect(!outcome.errors.contains("unexpected"))
    }
}
