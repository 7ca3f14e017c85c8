"""nano-vlm: a tiny FastVLM, trained on the pictures and names of nano-clip. Run its parts from tools/nano: python -m vlm.train"""
