import ArgumentParser

struct Finetune: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains a downstream task on a pre-trained backbone, or from scratch.",
        discussion: """
            The checkpoint of the backbone defines the model, the features and the preprocessing:

              kaon finetune configs/finetune-classification.yaml \\
                backbone=runs/mpmv2-kmeans/checkpoints/latest \\
                backbone_mode=fine_tuned data.jets=10000

            backbone_mode is fixed (only the head is trained), fine_tuned (the backbone is frozen for \
            fine_tuning.frozen_steps, then its learning rate rises to that of the head), or scratch (random initial \
            weights). The run directory, signals, resuming and exit codes are those of kaon pretrain.
            """)

    @OptionGroup var arguments: ConfigurationArguments

    func run() { arguments.train(as: .finetune) }
}
